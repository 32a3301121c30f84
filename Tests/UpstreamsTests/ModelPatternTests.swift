import Testing

@testable import Upstreams

@Suite struct ModelPatternTests {
    @Test(arguments: [
        ("gpt-4o", "gpt-4o", true), ("gpt-4o", "gpt-4o-mini", false), ("gpt-*", "gpt-4o", true), ("gpt-*", "gpt-", true),
        ("gpt-*", "xgpt-4", false), ("*", "", true), ("*", "anything/at:all", true), ("*mini", "gpt-4o-mini", true),
        ("*mini", "mini-x", false), ("a*b*c", "abc", true), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXcYb", false),
        ("a**c", "abc", true), ("", "", true), ("", "x", false),
    ])
    func aStarStandsForAnyCharacters(_ pattern: String, _ name: String, _ matches: Bool) {
        #expect(ModelPattern(pattern).matches(name) == matches)
    }

    @Test func aHostileNameTakesNoTime() {
        let name = String(repeating: "a", count: 10_000)
        #expect(!ModelPattern("*a*a*a*a*a*a*a*ab").matches(name))
    }

    @Test func anUpstreamServesWhatItIsSaidToServe() {
        var upstream = UpstreamConfiguration(baseURL: "http://h")
        #expect(upstream.closeness(to: "x") == .any)
        upstream.modelNames = ["gpt": "llama"]
        #expect(upstream.closeness(to: "gpt") == .name && upstream.closeness(to: "x") == nil)
        upstream.models = [ModelPattern("q*"), ModelPattern("*"), ModelPattern("qwen")]
        #expect(upstream.closeness(to: "x") == .any && upstream.closeness(to: "qwen") == .name)
        #expect(upstream.closeness(to: "q2") == .pattern)
        #expect(upstream.ownName(of: "gpt") == "llama" && upstream.ownName(of: "q") == "q")
        upstream.models = []
        #expect(upstream.closeness(to: "x") == nil && upstream.closeness(to: "gpt") == .name)
    }
}
