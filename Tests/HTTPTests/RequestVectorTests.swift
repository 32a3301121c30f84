import HTTP
import Testing

@Suite struct RequestVectorTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let input: String
        let events: [String]
        let limits: LimitValues?
        let fields: [[String]]?
        var testDescription: String { name }
    }

    static let cases: [Case] = (try? vectors("http/requests.json", of: Case.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.cases.count >= 60) }

    @Test(arguments: cases)
    func readsAsExpectedHoweverItIsSplit(_ vector: Case) {
        let octets = Array(vector.input.utf8)
        let limits = LimitValues.limits(vector.limits)
        let whole = readRequests(octets.asOnePart, limits: limits)
        #expect(whole.events == vector.events)
        if let fields = vector.fields {
            #expect(whole.heads.first.map { $0.fields.map { [$0.name, $0.value] } } == fields)
        }
        #expect(readRequests(octets.octetByOctet, limits: limits).events == vector.events)
        for parts in octets.splitEverywhere {
            let events = readRequests(parts, limits: limits).events
            if events != vector.events { #expect(events == vector.events, "split at \(parts[0].count)") }
        }
    }

    /// Whatever comes: no crash, and the same verdict for every split.
    @Test func mutatedRequestsAreReadAlikeInAllSplits() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        for round in 0..<4000 {
            guard let vector = Self.cases.randomElement(using: &generator) else { return }
            let limits = LimitValues.limits(vector.limits)
            let octets = Array(vector.input.utf8).mutated(&generator)
            let whole = readRequests(octets.asOnePart, limits: limits).events
            let parts = readRequests(octets.splitAtRandom(&generator), limits: limits).events
            if whole != parts { #expect(whole == parts, "seed \(seed), round \(round), input \(octets)") }
        }
    }
}
