import JSON
import Testing

@testable import Upstreams

@Suite("Rehearsal directives")
struct RehearsalDirectivesTests {
    private func directives(_ prompt: String, _ object: JSONValue? = nil) throws -> RehearsalDirectives {
        try RehearsalDirectives(prompt: prompt, object: object)
    }

    @Test func arePickedOutOfThePrompt() throws {
        let parsed = try directives("Hello [[rehearsal tokens=200 pace=1000\n seed=18446744073709551615 first_token_ms=5]] you")
        #expect(parsed.tokens == 200)
        #expect(parsed.pace == 1000)
        #expect(parsed.seed == .max)
        #expect(parsed.firstTokenMilliseconds == 5)
        let more = try directives(
            "[[rehearsal fail_after=1 error_after=2]][[rehearsal end_after=3 garbage_after=4 stall_after=5 fail_after=9]]")
        #expect(
            Set(more.faults.map { "\($0.kind.rawValue)=\($0.afterTokenCount)" })
                == ["fail_after=9", "error_after=2", "end_after=3", "garbage_after=4", "stall_after=5"])
        let last = try directives("[[rehearsal status=429 retry_after=2 fail_times=1 tool=look_up-2 echo=1 text=la]]")
        #expect(last.status == 429 && last.retryAfterSeconds == 2 && last.faultyRequestCount == 1)
        #expect(last.tool == "look_up-2" && last.echo && last.repeatedText == "la")
    }

    @Test func ofTheBodyWin() throws {
        let object: JSONValue = ["tokens": 7, "echo": true, "text": "two words", "pace": "0", "seed": .null, "tool": "t"]
        let parsed = try directives("[[rehearsal tokens=200 seed=4 pace=9]]", object)
        #expect(parsed.tokens == 7 && parsed.echo && parsed.repeatedText == "two words" && parsed.pace == 0)
        #expect(parsed.seed == 4 && parsed.tool == "t")
    }

    @Test func thatAreUnknownAreIgnored() throws {
        #expect(try directives("[[rehearsal colour=blue tokens loud]]", ["mood": "good"]) == RehearsalDirectives())
        #expect(try directives("[[rehearsal]]") == RehearsalDirectives())
    }

    @Test(arguments: [
        "[[rehearsal tokens=5", "[[rehearsals tokens=5]]", "[rehearsal tokens=5]", "tokens=5", "[[other tokens=5]]", "",
    ])
    func areNotFoundInOtherText(_ text: String) throws {
        #expect(try directives(text) == RehearsalDirectives())
        #expect(RehearsalDirectives.removed(from: text) == text)
    }

    @Test(arguments: [
        "tokens=0", "tokens=-1", "tokens=abc", "tokens=1.5", "tokens=1000001", "tokens=", "pace=-1",
        "pace=9999999999999999999999",
        "seed=-1", "seed=x", "first_token_ms=600001", "fail_after=-1", "error_after=x", "status=200", "status=1000",
        "retry_after=-1", "fail_times=x", "tool=a.b", "tool=", "echo=2", "text=",
    ])
    func withWrongValuesSayWhatWouldBeRight(_ directive: String) throws {
        let error = try #require(throws: RehearsalDirectiveError.self) { try directives("[[rehearsal \(directive)]]") }
        #expect(error.description.contains("rehearsal directive \(directive.prefix(30))"))
        #expect(error.description.contains("the value must be"))
    }

    @Test func ofTheBodyMustBeAnObjectOfPlainValues() {
        #expect(throws: RehearsalDirectiveError.self) { try directives("", "tokens=5") }
        #expect(throws: RehearsalDirectiveError.self) { try directives("", ["tokens": [5]]) }
        #expect(throws: RehearsalDirectiveError.self) { try directives("", ["tokens": true, "pace": false, "echo": "x"]) }
    }

    @Test func areTakenOutOfTheText() {
        #expect(RehearsalDirectives.removed(from: " Hello [[rehearsal tokens=2]]you[[rehearsal]]  ") == "Hello you")
        #expect(RehearsalDirectives.removed(from: "[[rehearsal a=b]]") == "")
        #expect(RehearsalDirectives.removed(from: "é [[REHEARSAL x=1]] ü") == "é  ü")
    }
}
