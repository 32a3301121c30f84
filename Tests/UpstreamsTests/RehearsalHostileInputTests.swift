import JSON
import Testing

@testable import Upstreams

@Suite("Rehearsal, hostile input")
struct RehearsalHostileInputTests {
    /// Xorshift: the seed is all that a failure needs to be repeated.
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static let bodies = [
        rehearsalBody(
            "Hi [[rehearsal tokens=20 pace=0 seed=3 fail_after=2 status=500 retry_after=1]] there", ["max_tokens": 9]),
        #"{"model":"m","messages":[{"role":"user","content":"a b [[rehearsal echo=1]]"},{"role":"assistant","content":"This is the"},{"role":"user","content":[{"type":"text","text":"x\n\nContinue your answer above."}]}],"rehearsal":{"tokens":5,"tool":"t"}}"#,
        #"{"system":[{"type":"text","text":"é\ud83d"}],"messages":[{"role":"tool","content":null},{"role":"assistant","content":""}],"stream":true}"#,
    ]

    @Test func neverCrashes() {
        for seed in 1...3000 as ClosedRange<UInt64> {
            var random = Random(state: seed &* 0x9E37_79B9_7F4A_7C15)
            var bytes = Array(Self.bodies[Int(seed % UInt64(Self.bodies.count))].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 32...126, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 9)], at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + 5))
                }
            }
            guard let request = try? RehearsalRequest(bytes) else { continue }
            var script = RehearsalScript(request.conversation, request.directives)
            let asked = script.tokenCount
            var count = 0
            while count < 1000, script.next({ $0.count }) != nil { count += 1 }
            #expect(count == min(asked, 1000), "seed \(seed)")
        }
    }

    @Test func readsLongPromptsInLinearTime() throws {
        let texts = [
            String(repeating: "[[rehearsalx", count: 20_000) + "]]", String(repeating: "[[rehearsal ", count: 20_000),
            String(repeating: "continue\n", count: 20_000) + "answer", String(repeating: "a ", count: 100_000),
            String(repeating: "\u{301}", count: 100_000),
        ]
        for text in texts {
            let request = try RehearsalRequest(Array(rehearsalBody(text).utf8))
            #expect(RehearsalScript(request.conversation, request.directives).tokenCount >= 60)
        }
    }
}
