import Sessions
import Testing
import ToldSession

/// Random histories from a seed: whatever happens in whatever order, the log is whole and every cursor sees it so.
@Suite struct SessionPropertyTests {
    /// A cursor, where it began, and what it must have seen.
    final class Follower {
        let cursor: Recorder
        /// Sequence numbers that it owes: in pieces, one for each time it was attached.
        var starts: [(at: Int, eventCount: Int)] = []
        init(listens: Bool) { cursor = Recorder(listens: listens) }
    }

    @Test(arguments: 0..<24) func everyCursorSeesTheWholeLog(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let fixture = Fixture(mode: .queue)
        let session = fixture.session
        var followers: [Follower] = []
        let policies: [DisconnectPolicy] = [.cancel, .continuing, .grace(.seconds(5))]

        for step in 0..<300 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0...2:
                let mode = InterjectionMode.allCases.randomElement(using: &random)
                _ = try? fixture.submit("input \(step)", mode: mode, policy: policies[Int.random(in: 0..<3, using: &random)])
            case 3...8: session.active?.say(["a", "\\n", "\\ud83d", "\\ude00", "ü"][Int.random(in: 0..<5, using: &random)])
            case 9: session.active?.think("t")
            case 10:
                session.active?.toolCall(index: Int.random(in: -1..<3, using: &random), callID: "", name: "f")
                session.active?.argue(Int.random(in: -1..<3, using: &random), "{}")
            case 11: session.active?.finish([.stop, .toolCalls, .length, .contentFilter].randomElement(using: &random) ?? .stop)
            case 12:
                if Bool.random(using: &random) {
                    _ = try? session.cancel(responseID: session.generations.randomElement(using: &random)?.id, by: nil)
                } else {
                    session.active?.fail(GenerationError(code: "server_error", message: "x", status: 500, type: "server_error"))
                }
            case 13...14:
                let follower = Follower(listens: Bool.random(using: &random))
                if Bool.random(using: &random) { follower.cursor.credit = Int.random(in: 1..<5, using: &random) }
                let start = Int.random(in: 0...session.log.lastPosition, using: &random)
                follower.starts.append((start, 0))
                try session.attach(follower.cursor, after: start)
                followers.append(follower)
            case 15: if let follower = followers.randomElement(using: &random) { session.detach(follower.cursor) }
            case 16:
                if let follower = followers.randomElement(using: &random), !follower.cursor.isFollowing {
                    follower.starts.append((follower.cursor.position, follower.cursor.events.count))
                    try session.attach(follower.cursor, after: follower.cursor.position)
                }
            case 17...18:
                if let follower = followers.randomElement(using: &random) {
                    follower.cursor.credit = Bool.random(using: &random) ? nil : Int.random(in: 1..<9, using: &random)
                    session.resume(follower.cursor)
                }
            default: fixture.host.advance(by: .seconds(Int.random(in: 0..<4, using: &random)))
            }
            let isSound =
                session.active.map { $0.status == .inProgress } ?? session.queued.isEmpty
            if !isSound { Issue.record("seed \(seed), step \(step): active and queue disagree") }
        }
        checkInvariants(fixture, "seed \(seed)")

        let encoded = fixture.log.map(\.encoded)
        for follower in followers {
            let cursor = follower.cursor
            if cursor.isFollowing {
                cursor.credit = nil
                session.resume(cursor)
                #expect(cursor.position == session.log.lastPosition, "seed \(seed)")
            }
            // Attached again where it had stopped: one unbroken run from its first start.
            let start = follower.starts[0].at
            #expect(cursor.sequences == Array((start + 1)..<(start + 1 + cursor.events.count)), "seed \(seed)")
            #expect(cursor.events.map(\.encoded) == Array(encoded[start..<(start + cursor.events.count)]), "seed \(seed)")
            #expect(cursor.snapshots.isEmpty, "seed \(seed)")
        }
        #expect(fixture.recorder.events.map(\.encoded) == encoded, "seed \(seed)")

        session.close()
        #expect(session.generations.allSatisfy { $0.status.isTerminal }, "seed \(seed)")
        #expect(fixture.model.uncancelledCount == 0, "seed \(seed)")
        checkInvariants(fixture, "seed \(seed)")
    }

    @Test(arguments: 0..<20) func withALogThatForgetsEveryCursorIsToldTheTruth(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed) &+ 1000)
        var limits = SessionLimits()
        limits.maxLogBytes = 6000
        let fixture = Fixture(limits: limits)
        let session = fixture.session
        let cursors = (0..<5).map { _ in Recorder() }
        for cursor in cursors {
            cursor.credit = 1
            try session.attach(cursor, after: 0)
        }
        for step in 0..<300 {
            if session.active == nil { try fixture.submit("\(step)") }
            session.active?.say("word ")
            if Int.random(in: 0..<10, using: &random) == 0 { session.active?.finish(.stop) }
            if let cursor = cursors.randomElement(using: &random) {
                cursor.credit = Int.random(in: 1..<40, using: &random)
                session.resume(cursor)
            }
        }
        for cursor in cursors {
            cursor.credit = nil
            session.resume(cursor)
            #expect(cursor.position == session.log.lastPosition, "seed \(seed)")
            // Every gap is covered by a snapshot that holds up to the event before the next.
            let sequences = cursor.sequences
            let gapEnds = zip(sequences, sequences.dropFirst()).filter { $1 != $0 + 1 }.map { $1 - 1 }
            let told = Set(cursor.snapshots.map(\.sequence))
            #expect(gapEnds.allSatisfy(told.contains), "seed \(seed)")
            #expect(sequences == sequences.sorted(), "seed \(seed)")
        }
    }
}
