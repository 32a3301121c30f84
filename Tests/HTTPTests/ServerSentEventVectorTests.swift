import HTTP
import Testing

@Suite struct ServerSentEventVectorTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let input: String?
        let inputHex: String?
        let events: [[String]]
        let lastEventID: String?
        let retry: Int?
        let maxEventBytes: Int?
        let error: String?
        var testDescription: String { name }

        var octets: [UInt8] {
            if let input { return Array(input.utf8) }
            let digits = Array(inputHex ?? "").compactMap(\.hexDigitValue)
            return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
        }

        var outcome: StreamOutcome {
            StreamOutcome(events: events, lastEventID: lastEventID ?? "", retry: retry, error: error)
        }
    }

    static let cases: [Case] = (try? vectors("sse/streams.json", of: Case.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.cases.count >= 30) }

    @Test(arguments: cases)
    func readsAsExpectedHoweverItIsSplit(_ vector: Case) {
        let octets = vector.octets
        #expect(readStream(octets.asOnePart, maxEventBytes: vector.maxEventBytes) == vector.outcome)
        #expect(readStream(octets.octetByOctet, maxEventBytes: vector.maxEventBytes) == vector.outcome)
        for parts in octets.splitEverywhere {
            let outcome = readStream(parts, maxEventBytes: vector.maxEventBytes)
            if outcome != vector.outcome { #expect(outcome == vector.outcome, "split at \(parts[0].count)") }
        }
    }

    /// All vectors that have no limit, one after the other in one stream, in random splits and with mutations.
    @Test func mutatedStreamsAreReadAlikeInAllSplits() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        for round in 0..<1500 {
            var octets: [UInt8] = []
            for vector in Self.cases.shuffled(using: &generator).prefix(5) { octets += vector.octets }
            octets = octets.mutated(&generator)
            let whole = readStream(octets.asOnePart, maxEventBytes: 60)
            let parts = readStream(octets.splitAtRandom(&generator), maxEventBytes: 60)
            if whole != parts { #expect(whole == parts, "seed \(seed), round \(round), input \(octets)") }
        }
    }
}
