import JSON

/// What serves the models of a `chat/completions` upstream, as far as going on with an answer depends on it.
enum InferenceServer: Sendable, Hashable {
    /// vLLM, SGLang.
    case continuesFinalMessage
    /// llama-server, LMDeploy.
    case continuesTrailingMessage
    /// Not one that is known to go on: at api.openai.com, for example, an assistant's message at the end is answered anew.
    case other

    /// By `owned_by`, as each names itself in its list of models.
    private static let owners: [String: InferenceServer] = [
        "vllm": .continuesFinalMessage, "sglang": .continuesFinalMessage, "llamacpp": .continuesTrailingMessage,
        "llama.cpp": .continuesTrailingMessage, "lmdeploy": .continuesTrailingMessage,
    ]

    /// - Parameters:
    ///   - models: the answer to `GET …/models`.
    ///   - model: the upstream's own name of the model that is asked; behind a gateway each may have another server.
    ///   - software: the field `Server` of that answer.
    init(models: JSONValue?, model: String, software: String?) {
        let list = models?["data"]?.array ?? []
        // A list of one is of the server's own model, whatever that is called here; a neighbour in a longer one says nothing.
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
