import Server
import Testing
import Upstreams

@testable import interject

@Suite struct UpstreamsFileTests {
    private static func problem(_ text: String) -> String {
        do throws(InvalidValue) {
            _ = try UpstreamsFile(text)
            return "none"
        } catch {
            return error.problem
        }
    }

    private static func configuration(_ file: String? = nil, flags: [String] = []) throws -> ServerConfiguration {
        var settings = ServeSettings()
        settings.upstreamsFile = try file.map { (text) throws(InvalidValue) in try UpstreamsFile(text) }
        try Setting.upstream.apply(flags, to: &settings)
        return try settings.serverConfiguration()
    }

    @Test func everyMemberIsRead() throws {
        let configuration = try Self.configuration(
            """
            {"balance": "least_busy", "max_attempts": 7, "probe_s": 2.5, "queue": {"max_waiting": 5, "timeout_s": 0},
             "breaker": {"max_consecutive_failures": 2, "max_failure_ratio": 0.25, "open_s": 1, "max_open_s": 9},
             "upstreams": [
              {"name": "a", "url": "http://h:1", "models": ["x", "y*"], "aliases": {"p": "q"}, "weight": 3, "priority": 2,
               "max_concurrent_requests": 4, "requests_per_minute": 5, "tokens_per_minute": 6,
               "connect_timeout_s": 1, "first_byte_timeout_s": 2, "silence_timeout_s": 3, "prefill": "trailing"},
              {"url": "http://h:1", "dialect": "anthropic"}, {"url": "http://h:1/v2"}]}
            """)
        let routing = configuration.routing
        #expect(routing.balance == .leastBusy && routing.maxAttempts == 7 && routing.probeInterval == .seconds(2.5))
        #expect(routing.maxWaiting == 5 && routing.waitTimeout == .zero)
        #expect(routing.breaker.maxConsecutiveFailures == 2 && routing.breaker.maxFailureRatio == 0.25)
        #expect(routing.breaker.openDuration == .seconds(1) && routing.breaker.maxOpenDuration == .seconds(9))
        let first = configuration.upstreams[0]
        #expect(first.name == "a" && first.baseURL == "http://h:1/v1" && first.weight == 3 && first.priority == 2)
        #expect(first.models?.map(\.text) == ["x", "y*"] && first.modelNames == ["p": "q"])
        #expect(first.limit == UpstreamLimit(concurrentRequests: 4, requestsPerMinute: 5, tokensPerMinute: 6))
        #expect(first.connectTimeout == .seconds(1) && first.firstByteTimeout == .seconds(2) && first.silenceTimeout == .seconds(3))
        #expect(first.prefill == .trailing && configuration.upstreams[1].prefill == nil)
        let others = configuration.upstreams.dropFirst()
        #expect(others.map(\.name) == ["h:1", "h:1#2"] && others.map(\.priority) == [0, 0] && others.map(\.weight) == [1, 1])
        #expect(others.map(\.dialect) == [.anthropicMessages, .chatCompletions])
    }

    @Test(arguments: [
        ("{}", "upstreams: the list"), ("[]", ":1: expected"), (#"{"upstreams": {}}"#, ":1: upstreams: expected an array"),
        (#"{"upstreams": [1]}"#, ":1: upstreams: expected an object"), (#"{"upstreams": [{"url": 1}]}"#, "url: give a string"),
        (#"{"upstreams": [{"url": "ftp://x"}]}"#, "url: \"ftp://x\" is not an upstream's URL"),
        (#"{"upstreams": [{"url": "http://a", "url": "http://b"}]}"#, "url: is given more than once"),
        (#"{"upstreams": [{"url": "http://a", "dialect": "grpc"}]}"#, "dialect: \"grpc\" is none of openai, anthropic"),
        (#"{"upstreams": [{"url": "http://a", "models": "x"}]}"#, "models: give a list"),
        (#"{"upstreams": [{"url": "http://a", "aliases": {"a": 1}}]}"#, "aliases: give an object"),
        (#"{"upstreams": [{"url": "http://a", "name": "a b"}]}"#, "name: give up to 64"),
        (#"{"upstreams": [{"url": "http://a", "prefill": "yes"}]}"#, "prefill: \"yes\" is none of auto, continue_final_message"),
        (#"{"upstreams": [{"url": "http://a", "prefill": true}]}"#, "prefill: give a string"),
        (#"{"upstreams": [{"url": "http://a", "weight": 1.5}]}"#, "weight: give a whole number"),
        ("{\"queue\":\n{\"max_wating\": 1}}", ":2: max_wating: there is no such member of queue"),
        ("{\"breaker\":\n{\"max_failure_ratio\": 0}}", ":2: max_failure_ratio: give a number above 0"),
        ("{\"upstreams\": [\n{\"url\": \"http://a\"},\n{\"weight\": 1}]}", ":3: url: the upstream's URL is missing"),
    ])
    func whatIsWrongIsNamed(_ text: String, _ problem: String) {
        #expect(Self.problem(text).contains(problem))
    }

    @Test func flagsHaveMembersToo() throws {
        let upstreams = try Self.configuration(
            flags: ["http://a name=one weight=3 models=x|y*", "anthropic+http://b requests_per_minute=9 priority=1 prefill=prompt"]
        ).upstreams
        #expect(upstreams[0].name == "one" && upstreams[0].weight == 3 && upstreams[0].models?.map(\.text) == ["x", "y*"])
        #expect(upstreams[1].dialect == .anthropicMessages && upstreams[1].limit.requestsPerMinute == 9)
        #expect(upstreams[0].prefill == nil && upstreams[1].prefill == .prompt)
        #expect(upstreams.map(\.priority) == [0, 1])
        for wrong in [
            "http://a weight", "http://a weight=x", "http://a colour=red", "http://a api_key=sk-1", "http://a aliases=a",
            "http://a models=",
            "http://a weight=1 weight=2",
        ] {
            #expect(throws: InvalidValue.self) { try UpstreamURL.readWithMembers(wrong) }
        }
    }

    @Test func plainFlagsAreAFirstChoiceASecondAndSoOn() throws {
        #expect(try Self.configuration(flags: ["http://a", "http://b", "http://c"]).upstreams.map(\.priority) == [0, 1, 2])
    }

    @Test func aFileAndFlagsTogetherAreRefused() throws {
        #expect(throws: Failure.self) {
            try Self.configuration(#"{"upstreams": [{"url": "http://a"}]}"#, flags: ["http://b"])
        }
    }
}
