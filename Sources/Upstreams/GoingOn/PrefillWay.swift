import JSON
import Sessions

/// How a model is made to continue an answer that was cut, where it can be: the conversation ends with the assistant's own words,
/// and the model writes on behind them. Where it cannot, a note in the user's message asks for it.
public enum PrefillWay: String, Sendable, Hashable, CaseIterable {
    /// `continue_final_message` and no generation prompt: vLLM, SGLang.
    case continueFinalMessage = "continue_final_message"
    /// An assistant's message at the end is enough: Anthropic, llama-server.
    case trailing
    /// None: the note.
    case prompt
}

extension UpstreamHabits {
    /// The way for one request: as it is set for the upstream or was learnt of it, unless the request asks for what rules it out.
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
    /// Members that bind the whole answer to a form: applied to its second half they would have it begin anew.
    private static let constraints = [
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "grammar", "json_schema",
    ]

    /// Whether an answer to this request may begin with words that are given.
    fileprivate func allowsPrefill(by dialect: UpstreamConfiguration.Dialect) -> Bool {
        let asked = chatMembers ?? members
        if Self.forcesTool(asked["tool_choice"]) || Self.forcesTool(asked["function_call"]) { return false }
        switch dialect {
        case .anthropicMessages:
            // Refused by the provider: thinking comes first, and JSON is whole.
            let thinking = asked["thinking"]?["type"]?.string
            return (thinking == nil || thinking == "disabled") && asked["output_config"]?["format"]?.object == nil
        case .chatCompletions:
            let format = asked["response_format"]?["type"]?.string ?? asked["text"]?["format"]?["type"]?.string
            let isConstrained = Self.constraints.contains { name in asked[name].map { !$0.saysNothing } ?? false }
            return (format == nil || format == "text") && !isConstrained
        }
    }

    /// Whether the answer must be the call of a tool.
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
