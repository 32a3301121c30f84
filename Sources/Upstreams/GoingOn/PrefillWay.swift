import JSON
import Sessions

/// How a model is made to continue an interrupted answer. With a prefill, the conversation ends with the assistant's own text and
/// the model continues it; otherwise a note in the user message asks for it.
public enum PrefillWay: String, Sendable, Hashable, CaseIterable {
    /// `continue_final_message` without a generation prompt: vLLM, SGLang.
    case continueFinalMessage = "continue_final_message"
    /// A trailing assistant message is enough: Anthropic, llama-server.
    case trailing
    /// No prefill: a note asks.
    case prompt
}

extension UpstreamHabits {
    /// The method for one request: the upstream's configured or detected one, unless the request has an option that rules it out.
    func prefillWay(of request: ModelRequest, to upstream: UpstreamConfiguration) -> PrefillWay {
        guard request.continuesLastMessage, !refused.contains(.prefill) else { return .prompt }
        let way: PrefillWay
        switch upstream.dialect {
        case .chatCompletions: way = upstream.prefill ?? server?.prefillWay ?? .prompt
        case .anthropicMessages: way = upstream.prefill ?? .trailing
        }
        return way != .prompt && request.parameters.allowsPrefill(by: upstream.dialect) ? way : .prompt
    }
}

extension ResponseParameters {
    /// Members that constrain the whole answer to a form: applied to its second half, they would make it start over.
    private static let constraints = [
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "grammar", "json_schema",
    ]

    /// Whether the answer to this request may begin with a given text.
    fileprivate func allowsPrefill(by dialect: UpstreamConfiguration.Dialect) -> Bool {
        let asked = chatMembers ?? members
        if Self.forcesTool(asked["tool_choice"]) || Self.forcesTool(asked["function_call"]) { return false }
        switch dialect {
        case .anthropicMessages:
            // Rejected by Anthropic: thinking must come first, and JSON must be complete.
            let thinking = asked["thinking"]?["type"]?.string
            return (thinking == nil || thinking == "disabled") && asked["output_config"]?["format"]?.object == nil
        case .chatCompletions:
            let format = asked["response_format"]?["type"]?.string ?? asked["text"]?["format"]?["type"]?.string
            let isConstrained = Self.constraints.contains { name in asked[name].map { !$0.saysNothing } ?? false }
            return (format == nil || format == "text") && !isConstrained
        }
    }

    /// Whether the answer must be a tool call.
    private static func forcesTool(_ choice: JSONValue?) -> Bool {
        switch choice {
        case .string(let word)?: return word == "required" || word == "any"
        case .object(let object)?:
            switch object["type"]?.string {
            case "allowed_tools"?: return (object["allowed_tools"]?["mode"] ?? object["mode"])?.string == "required"
            case "auto"?, "none"?: return false
            default: return true
            }
        default: return false
        }
    }
}
