import Bytes
import JSON
import Sessions

/// Estimated tokens of a request, before the upstream has counted them.
enum TokenEstimate {
    /// UTF-8 bytes of a token, roughly, in the languages of prompts and code.
    static let bytesPerToken = 4

    /// Prompt, and the answer as far as the client bounds it.
    static func tokens(of request: ModelRequest) -> Int {
        let promptBytes = request.items.reduce(0) { $0.saturatingAdding($1.textByteCount) }
        let prompt = max(min(1, promptBytes), promptBytes / bytesPerToken)
        return prompt.saturatingAdding(maxOutputTokens(request.parameters) ?? 0)
    }

    /// After an answer, or the part of one that came.
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
