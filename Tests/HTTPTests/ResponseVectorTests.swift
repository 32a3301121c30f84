import HTTP
import Testing

@Suite struct ResponseVectorTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let input: String
        let events: [String]
        let limits: LimitValues?
        let answersHead: Bool?
        let closes: Bool?
        var testDescription: String { name }

        func read(_ parts: [[UInt8]]) -> [String] {
            readResponses(
                parts, limits: LimitValues.limits(limits), answersHead: answersHead ?? false, closes: closes ?? false)
        }
    }

    static let cases: [Case] = (try? vectors("http/responses.json", of: Case.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.cases.count >= 20) }

    @Test(arguments: cases)
    func readsAsExpectedHoweverItIsSplit(_ vector: Case) {
        let octets = Array(vector.input.utf8)
        #expect(vector.read(octets.asOnePart) == vector.events)
        #expect(vector.read(octets.octetByOctet) == vector.events)
        for parts in octets.splitEverywhere {
            let events = vector.read(parts)
            if events != vector.events { #expect(events == vector.events, "split at \(parts[0].count)") }
        }
    }

    @Test func mutatedResponsesAreReadAlikeInAllSplits() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        for round in 0..<2000 {
            guard let vector = Self.cases.randomElement(using: &generator) else { return }
            if vector.limits != nil { continue }
            let octets = Array(vector.input.utf8).mutated(&generator)
            let whole = vector.read(octets.asOnePart)
            let parts = vector.read(octets.splitAtRandom(&generator))
            if whole != parts { #expect(whole == parts, "seed \(seed), round \(round), input \(octets)") }
        }
    }
}
