import HTTP
import JSON
import Network
import Testing

@testable import Sessions
@testable import Upstreams

@Suite struct RequestEncodingTests {
    private static func item(_ value: JSONValue) -> Item {
        var body = value.object ?? [:]
        let status = body["status"]?.string.flatMap(Item.Status.init(rawValue:)) ?? .completed
        body["status"] = nil
        guard let message = body["chatMessage"] else { return Item(id: Identifier.make("msg_"), status: status, body: body) }
        // As the chat face makes them.
        let role = message["role"]?.string ?? "user"
        let itemBody: JSONObject =
            role == "tool" || role == "function"
            ? [
                "type": "function_call_output",
                "call_id": message["tool_call_id"] ?? .string(Item.functionCallID(message["name"]?.string ?? "")),
                "output": message["content"] ?? "",
            ]
            : ["type": "message", "role": .string(role), "content": []]
        return Item(id: Identifier.make("msg_"), body: itemBody, chatMessage: message)
    }

    private static func request(_ vector: JSONValue) -> ModelRequest {
        ModelRequest(
            parameters: ResponseParameters(
                model: "public", instructions: vector["instructions"]?.string, members: vector["members"]?.object ?? [:],
                chatMembers: vector["chatMembers"]?.object),
            items: (vector["items"]?.array ?? []).map(item), continuesLastMessage: vector["continues"]?.bool ?? false)
    }

    /// The body without what is always the same, or the code of the error.
    private static func body(
        _ encode: (ModelRequest, String, UpstreamConfiguration) throws -> HTTPClientRequest, _ vector: JSONValue
    ) throws -> JSONValue {
        var upstream = UpstreamConfiguration(baseURL: vector["baseURL"]?.string ?? "http://127.0.0.1:1/v1")
        upstream.prefill = vector["prefill"]?.string.flatMap(PrefillWay.init(rawValue:))
        do {
            var body = try JSONValue.parse(try encode(request(vector), "own", upstream).body).object ?? [:]
            #expect(body["model"] == "own" && body["stream"] == true)
            for name in ["model", "stream", "stream_options"] { body[name] = nil }
            return .object(body)
        } catch let error as GenerationError {
            #expect(error.status == 400)
            return .string(error.code)
        }
    }

    private static func expected(_ value: JSONValue) throws -> JSONValue {
        try JSONValue.parse(value.description.replacing("{steer}", with: Conversation.steerNote))
    }

    @Test func conversationsAndParametersBecomeWhatTheDialectWants() throws {
        let cases = try UpstreamVectors.cases("requests.json")
        #expect(cases.count > 15)
        for vector in cases {
            let name = vector["name"]?.string ?? ""
            if let chat = vector["chat"] {
                let body = try Self.body({ try ChatCompletionsDialect.request($0, model: $1, to: $2) }, vector)
                #expect(try body == Self.expected(chat), "\(name)")
            }
            if let anthropic = vector["anthropic"] {
                let body = try Self.body(
                    {
                        var upstream = $2
                        upstream.dialect = .anthropicMessages
                        return try AnthropicMessagesDialect.request($0, model: $1, to: upstream)
                    }, vector)
                #expect(try body == Self.expected(anthropic), "\(name), Anthropic")
            }
        }
    }

    private static func question(members: JSONObject = [:]) -> ModelRequest {
        ModelRequest(
            parameters: ResponseParameters(model: "m", members: members), items: [.userMessage("hi")], continuesLastMessage: false)
    }

    @Test(arguments: [
        ("http://h:1/v1", "http://h:1/v1/chat/completions"), ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("https://h/api/v1/chat/completions", "https://h/api/v1/chat/completions"),
        ("https://h/openai", "https://h/openai/chat/completions"),
    ])
    func theURLOfChatCompletions(_ base: String, _ url: String) throws {
        let upstream = UpstreamConfiguration(baseURL: base)
        #expect(try ChatCompletionsDialect.request(Self.question(), model: "m", to: upstream).url == url)
    }

    @Test(arguments: ["https://h", "https://h/", "https://h/v1", "https://h/v1/messages"])
    func theURLOfMessages(_ base: String) throws {
        let upstream = UpstreamConfiguration(baseURL: base, dialect: .anthropicMessages)
        #expect(try AnthropicMessagesDialect.request(Self.question(), model: "m", to: upstream).url == "https://h/v1/messages")
    }

    @Test func theKeyGoesWhereTheDialectWantsIt() throws {
        let upstream = UpstreamConfiguration(baseURL: "http://h/v1", key: "k", silenceTimeout: .seconds(3))
        let chat = try ChatCompletionsDialect.request(Self.question(), model: "m", to: upstream)
        #expect(chat.fields["Authorization"] == "Bearer k" && chat.method == "POST" && chat.silenceTimeout == .seconds(3))
        let body = try JSONValue.parse(chat.body)
        #expect(body["stream_options"]?["include_usage"] == true)
        let messages = try AnthropicMessagesDialect.request(Self.question(), model: "m", to: upstream)
        #expect(messages.fields["x-api-key"] == "k" && messages.fields["anthropic-version"] == "2023-06-01")
        #expect(messages.fields["Authorization"] == nil)
    }

    @Test func aKeyThatNoFieldCanHoldIsAnErrorThatDoesNotTellIt() throws {
        let upstream = UpstreamConfiguration(baseURL: "http://h/v1", key: "se\ncret")
        do throws(GenerationError) {
            _ = try ChatCompletionsDialect.request(Self.question(), model: "m", to: upstream)
            Issue.record("it was taken")
        } catch {
            #expect(error.code == "upstream_misconfigured" && !error.message.contains("cret"))
        }
    }
}
