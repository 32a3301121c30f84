import Bytes
import JSON
import Sessions

/// Estimates the tokens of a request before the upstream has counted them.
enum TokenEstimate {
    /// Approximate UTF-8 bytes per token, for prompts in natural languages and code.
    static let bytesPerToken = 4

    /// Tokens of the prompt, and of the answer if the client limits it.
    static func tokens(of request: ModelRequest) -> Int {
        let promptBytes = request.items.reduce(0) { $0.saturatingAdding($1.textByteCount) }
        let prompt = max(min(1, promptBytes), promptBytes / bytesPerToken)
        return prompt.saturatingAdding(maxOutputTokens(request.parameters) ?? 0)
    }

    /// Tokens of the prompt and of the answer received so far.
    static func tokens(of sink: GenerationSink, promptTokens: Int) -> Int {
        if let usage = sink.usage { return usage.totalTokens }
        return promptTokens.saturatingAdding(sink.deltaCount)
    }

    static func maxOutputTokens(_ parameters: ResponseParameters) -> Int? {
        let names = ["max_output_tokens", "max_completion_tokens", "max_tokens"]
        let members = [parameters.members, parameters.chatMembers ?? [:]]
        for name in names {
            for object in members { if let count = object[name]?.int, count > 0 { return min(count, 1 << 20) } }
        }
        return nil
    }
}
