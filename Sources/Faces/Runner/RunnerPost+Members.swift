import API
import Bytes
import JSON
import Runners
import Sessions

/// The body of `POST /v1/responses/{id}/events`.
extension RunnerPost {
    static let maxEvents = 256

    init(_ body: JSONObject) throws(RequestError) {
        let leaseID = try body.optionalString("lease_id")
        let list = body["events"]?.unlessNull ?? []
        guard let list = list.array, list.count <= Self.maxEvents else {
            throw .invalid("'events' must be an array of at most \(Self.maxEvents).", param: "events")
        }
        var events: [Event] = []
        for (index, value) in list.enumerated() {
            let place = "events[\(index)]"
            guard let object = value.object else { throw .invalid("'\(place)' must be an object.", param: place) }
            do {
                events.append(try Self.event(object))
            } catch {
                throw .invalid("\(place): \(error.message)", param: error.param.map { "\(place).\($0)" } ?? place, code: error.code)
            }
            if events[index].isLast, index < list.count - 1 {
                throw .invalid("\(place): nothing may follow it.", param: place)
            }
        }
        let number = try body.optionalCount("seq") ?? 0
        if leaseID != nil, !events.isEmpty, number < 1 {
            throw .invalid(
                "'seq' must number the posts of a lease: 1, 2, 3, …; a post that is sent again keeps its number.", param: "seq")
        }
        if leaseID == nil, !events.allSatisfy({ if case .step = $0 { true } else { false } }) {
            throw .invalid("Without 'lease_id' there can be steps only.", param: "lease_id")
        }
        self.init(leaseID: leaseID, number: number, events: events)
    }

    private static func event(_ object: JSONObject) throws(RequestError) -> Event {
        switch try object.optionalString("type") {
        case "text": return .text(escaped(try text(object)))
        case "refusal": return .refusal(escaped(try text(object)))
        case "reasoning": return .reasoning(escaped(try text(object)))
        case "step":
            guard let step = try object.optionalObject("step") else { throw .invalid("'step' is missing.", param: "step") }
            return .step(try Self.step(step))
        case "function_call": return try functionCall(object)
        case "usage": return .usage(try usage(object))
        case "done": return .done(try finishReason(object))
        case "error":
            let message = try object.optionalString("message") ?? "The runner failed."
            let code = try bounded(object, "code", Step.Limits.maxNameBytes) ?? "server_error"
            return .error(GenerationError(code: code, message: message, status: 502, type: "server_error"))
        default:
            throw .invalid(
                "'type' must be text, reasoning, refusal, step, function_call, usage, done or error.", param: "type",
                code: "invalid_value")
        }
    }

    private static func text(_ object: JSONObject) throws(RequestError) -> String {
        guard let text = try object.optionalString("text") else { throw .invalid("'text' is missing.", param: "text") }
        return text
    }

    private static func escaped(_ text: String) -> [UInt8] {
        var buffer = ByteBuffer(capacity: text.utf8.count + 16)
        buffer.appendJSONStringContents(text)
        return buffer.array
    }

    /// `step` of an event, in the form in which readers get it.
    static func step(_ object: JSONObject) throws(RequestError) -> Step {
        guard let id = try bounded(object, "id", Step.Limits.maxNameBytes, prefix: "step."), !id.isEmpty else {
            throw .invalid("'step.id' is missing.", param: "step.id")
        }
        let word = try object.optionalString("status") ?? Step.Status.inProgress.rawValue
        guard let status = Step.Status(rawValue: word) else {
            throw .invalid(
                "'step.status' must be one of \(Step.Status.allCases.map(\.rawValue).joined(separator: ", ")).",
                param: "step.status", code: "invalid_value")
        }
        let detail = object["detail"]?.unlessNull
        if let detail, detail.serialized().count > Step.Limits.maxDetailBytes {
            throw .invalid("'step.detail' may have \(Step.Limits.maxDetailBytes) bytes.", param: "step.detail", code: "too_long")
        }
        return Step(
            id: id, kind: try bounded(object, "kind", Step.Limits.maxNameBytes, prefix: "step.") ?? "progress",
            name: try bounded(object, "name", Step.Limits.maxNameBytes, prefix: "step."), status: status,
            title: try bounded(object, "title", Step.Limits.maxTitleBytes, prefix: "step."), detail: detail,
            parentID: try bounded(object, "parent_id", Step.Limits.maxNameBytes, prefix: "step."))
    }

    private static func bounded(
        _ object: JSONObject, _ key: String, _ maxBytes: Int, prefix: String = ""
    ) throws(RequestError) -> String? {
        guard let text = try object.optionalString(key) else { return nil }
        guard text.utf8.count <= maxBytes else {
            throw .invalid("'\(prefix)\(key)' may have \(maxBytes) bytes.", param: prefix + key, code: "too_long")
        }
        return text
    }

    private static func functionCall(_ object: JSONObject) throws(RequestError) -> Event {
        guard let name = try bounded(object, "name", Step.Limits.maxNameBytes), !name.isEmpty else {
            throw .invalid("'name' is missing.", param: "name")
        }
        let arguments: String
        switch object["arguments"] {
        case nil, .null?: arguments = "{}"
        case .string(let text)?: arguments = text
        case .object(let value)?: arguments = value.description
        default: throw .invalid("'arguments' must be an object, or JSON in a string.", param: "arguments", code: "invalid_type")
        }
        return .functionCall(
            callID: try bounded(object, "call_id", Step.Limits.maxNameBytes) ?? "", name: name, arguments: escaped(arguments))
    }

    private static func usage(_ object: JSONObject) throws(RequestError) -> Usage {
        func count(_ key: String) throws(RequestError) -> Int { min(try object.optionalCount(key) ?? 0, 1 << 40) }
        return Usage(
            inputTokens: try count("input_tokens"), outputTokens: try count("output_tokens"),
            cachedTokens: try count("cached_tokens"), reasoningTokens: try count("reasoning_tokens"))
    }

    private static func finishReason(_ object: JSONObject) throws(RequestError) -> FinishReason {
        switch try object.optionalString("finish_reason") ?? "stop" {
        case "stop": return .stop
        case "tool_calls": return .toolCalls
        case "length": return .length
        case "content_filter": return .contentFilter
        default:
            throw .invalid(
                "'finish_reason' must be stop, tool_calls, length or content_filter.", param: "finish_reason", code: "invalid_value"
            )
        }
    }
}
