import JSON
import Testing

@testable import Sessions

/// Commands and outcomes as bytes.
@Suite struct CommandCodingTests {
    private func decoded(_ bytes: [UInt8]) throws -> SessionCommand {
        try bytes.withUnsafeBytes { try SessionCommand($0) }
    }

    private func decodedOutcome(_ bytes: [UInt8]) throws -> SessionOutcome {
        try bytes.withUnsafeBytes { try SessionOutcome($0) }
    }

    @Test(arguments: RandomCommands.kinds.indices) func everyCommandIsReadAsItWasWritten(_ index: Int) throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = RandomCommands(seed: seed)
            let command = SessionCommand(RandomCommands.kinds[index](&random))
            let read = try decoded(command.encoded)
            #expect(read == command, "seed \(seed)")
            // Equality of JSON ignores the order of members; bytes do not.
            #expect(read.encoded == command.encoded, "seed \(seed)")
        }
    }

    @Test func positionsThatNoLogHasAreRefused() {
        for position in [
            LogPosition(epoch: -1, sequence: 1), LogPosition(epoch: .min, sequence: 1), LogPosition(sequence: -2),
            LogPosition(epoch: 1, sequence: .min),
        ] {
            #expect(throws: MalformedCommand.self) { try decoded(SessionCommand(.follow(.after(position))).encoded) }
        }
    }

    @Test(arguments: RandomCommands.outcomes.indices) func everyOutcomeIsReadAsItWasWritten(_ index: Int) throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = RandomCommands(seed: seed)
            let outcome = RandomCommands.outcomes[index](&random)
            let read = try decodedOutcome(outcome.encoded)
            #expect(read == outcome && read.encoded == outcome.encoded, "seed \(seed)")
        }
    }

    @Test(arguments: RandomCommands.refusals.indices) func everyRefusalIsReadAsItWasWritten(_ index: Int) throws {
        for seed in 0..<50 as Range<UInt64> {
            var random = RandomCommands(seed: seed)
            let outcome = SessionOutcome.refused(RandomCommands.refusals[index](&random))
            #expect(try decodedOutcome(outcome.encoded) == outcome, "seed \(seed)")
        }
    }

    /// The makers above miss no case: each writes its number, and the numbers have no gap.
    @Test func everyCaseIsMade() {
        var random = RandomCommands(seed: 1)
        // Behind the version and the identifier.
        let kinds = Set(RandomCommands.kinds.map { SessionCommand($0(&random), id: "").encoded[2] })
        #expect(kinds == Set(1...21))
        let outcomes = Set(RandomCommands.outcomes.map { $0(&random).encoded[1] })
        #expect(outcomes.union([6, 7, 12]) == Set(1...12), "6 and 7 are states, which have a test of their own; 12 is a refusal")
        let refusals = Set(RandomCommands.refusals.map { SessionOutcome.refused($0(&random)).encoded[2] })
        #expect(refusals == Set(1...24))
    }

    @Test func aStateTellsTheSameElsewhere() throws {
        let fixture = Fixture(mode: .queue)
        try fixture.session.join(Participant(name: "Ann"))
        let answered = try fixture.submit("one").generation
        answered.say("a")
        answered.finish(.stop)
        try fixture.submit("two").generation.say("b")
        try fixture.submit("three")
        let outcome = fixture.session.handle(SessionCommand(.readState))
        let standing = try outcome.state()
        let read = try decodedOutcome(outcome.encoded)
        #expect(read == outcome)
        #expect(try read.state().state.json == standing.state.json && standing.state.json == fixture.session.stateJSON())
        #expect(try read.state().busySince == 1_700_000_000)
        let joined = SessionOutcome.joined(standing, after: LogPosition(epoch: 2, sequence: 41))
        #expect(try decodedOutcome(joined.encoded) == joined)
        var submit = SessionCommand.Submit(
            NewItems([.userMessage("four")]), responseID: "resp_4", parameters: .whole(ResponseParameters(model: "m")))
        submit.withStanding = true
        let accepted = fixture.session.handle(SessionCommand(.submit(submit)))
        #expect(try accepted.accepted().standing == standing)
        #expect(try decodedOutcome(accepted.encoded) == accepted)
    }

    // MARK: Bytes of a stranger

    @Test func partOfACommandIsNone() {
        for maker in RandomCommands.kinds {
            var random = RandomCommands(seed: 7)
            let whole = SessionCommand(maker(&random)).encoded
            for count in 0..<whole.count {
                #expect(throws: MalformedCommand.self) { try decoded(Array(whole.prefix(count))) }
            }
            #expect(throws: MalformedCommand.self) { try decoded(whole + [0]) }
            #expect(throws: MalformedCommand.self) { try decoded([2] + whole.dropFirst()) }
        }
    }

    /// Whatever comes is refused, or is a command that is written and read like any other.
    @Test(arguments: 0..<16 as Range<UInt64>) func noBytesEndTheProcess(_ seed: UInt64) throws {
        var random = RandomCommands(seed: seed)
        for round in 0..<2000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = (0..<Int.random(in: 0..<64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                if !bytes.isEmpty { bytes[0] = 1 }
            } else if round % 2 == 0 {
                bytes = SessionCommand(RandomCommands.kinds.randomElement(using: &random)?(&random) ?? .readState).encoded
            } else {
                bytes = (RandomCommands.outcomes.randomElement(using: &random)?(&random) ?? .done).encoded
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if let command = try? decoded(bytes) { #expect(try decoded(command.encoded) == command, "seed \(seed)") }
            if let outcome = try? decodedOutcome(bytes) { #expect(try decodedOutcome(outcome.encoded) == outcome, "seed \(seed)") }
        }
    }

    @Test func countsAndDepthsOfAStrangerAreBounded() throws {
        // Version, identifier, `addItems`, and a count of items that no memory holds.
        let manyItems: [UInt8] = [1, 0, 4] + [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]
        #expect(throws: MalformedCommand.self) { try decoded(manyItems) }
        // A number of eleven bytes, and one whose tenth byte is too large.
        #expect(throws: MalformedCommand.self) { try decoded([1, 0, 12, 0] + Array(repeating: 0xFF, count: 10) + [0]) }
        #expect(throws: MalformedCommand.self) { try decoded([1, 0, 12, 0] + Array(repeating: 0xFF, count: 9) + [0x02]) }
        // A refusal within a refusal within …: each level is one byte.
        #expect(throws: MalformedCommand.self) { try decodedOutcome([1, 11] + Array(repeating: 15, count: 1_000_000)) }
        // JSON that is nested deeper than any that we write.
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        var command: [UInt8] = [1, 0, 6]
        var count = UInt64(deep.count) << 1
        while count >= 0x80 {
            command.append(UInt8(count & 0x7F) | 0x80)
            count >>= 7
        }
        command.append(UInt8(count))
        #expect(throws: MalformedCommand.self) { try decoded(command + deep) }
    }

    @Test func aGraceThatNoClientMayAskForIsRefused() throws {
        func policy(_ text: String) throws -> DisconnectPolicy {
            // A count in its zigzag form is twice the count.
            try ([1, UInt8(2 * text.utf8.count)] + text.utf8).withUnsafeBytes { try DisconnectPolicy(withVersion: $0) }
        }
        #expect(try policy("grace=86400") == .grace(.seconds(86_400)))
        #expect(throws: MalformedCommand.self) { try policy("grace=86401") }
    }

    @Test func textThatIsNoUnicodeIsRefused() {
        // Version, identifier, `deleteItem`, and one byte that begins nothing.
        #expect(throws: MalformedCommand.self) { try decoded([1, 0, 5, 2, 0xFF]) }
        #expect(throws: MalformedCommand.self) { try decoded([1, 2, 0xC3, 5, 2, 0x61]) }
    }
}
