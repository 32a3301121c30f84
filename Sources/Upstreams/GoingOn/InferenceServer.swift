import JSON

/// The software that serves the models of a `chat/completions` upstream, as far as continuing an answer depends on it.
enum InferenceServer: Sendable, Hashable {
    /// vLLM, SGLang.
    case continuesFinalMessage
    /// llama-server, LMDeploy.
    case continuesTrailingMessage
    /// Any other, which is not known to continue: api.openai.com, for example, answers a trailing assistant message anew.
    case other

    /// By `owned_by`, as each identifies itself in its list of models.
    private static let owners: [String: InferenceServer] = [
        "vllm": .continuesFinalMessage, "sglang": .continuesFinalMessage, "llamacpp": .continuesTrailingMessage,
        "llama.cpp": .continuesTrailingMessage, "lmdeploy": .continuesTrailingMessage,
    ]

    /// Identifies the software.
    /// - Parameters:
    ///   - models: the body of `GET …/models`.
    ///   - model: the upstream's own name of the requested model; behind a gateway, each model may have a different server.
    ///   - software: the `Server` field of the response.
    init(models: JSONValue?, model: String, software: String?) {
        let list = models?["data"]?.array ?? []
        // A list of one belongs to the server's only model, whatever its name; other entries of a longer list say nothing.
        let entry = list.first { $0["id"]?.string == model } ?? (list.count == 1 ? list.first : nil)
        if let owner = entry?["owned_by"]?.string, let known = Self.owners[owner.lowercased()] {
            self = known
        } else if software?.lowercased().hasPrefix("llama.cpp") ?? false {
            self = .continuesTrailingMessage
        } else {
            self = .other
        }
    }

    var prefillWay: PrefillWay {
        switch self {
        case .continuesFinalMessage: .continueFinalMessage
        case .continuesTrailingMessage: .trailing
        case .other: .prompt
        }
    }
}
