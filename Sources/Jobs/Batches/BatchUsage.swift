import Bytes
import JSON

/// Tokens used by all finished requests of a batch.
public struct BatchUsage: Sendable, Codable, Hashable {
    public var inputTokens = 0
    public var cachedTokens = 0
    public var outputTokens = 0
    public var reasoningTokens = 0

    public init() {}

    /// - Parameter body: an answer from either endpoint.
    init(answer body: JSONValue) {
        guard let usage = body["usage"] else { return }
        inputTokens = usage["input_tokens"]?.int ?? usage["prompt_tokens"]?.int ?? 0
        outputTokens = usage["output_tokens"]?.int ?? usage["completion_tokens"]?.int ?? 0
        let input = usage["input_tokens_details"] ?? usage["prompt_tokens_details"]
        let output = usage["output_tokens_details"] ?? usage["completion_tokens_details"]
        cachedTokens = input?["cached_tokens"]?.int ?? 0
        reasoningTokens = output?["reasoning_tokens"]?.int ?? 0
    }

    static func += (left: inout BatchUsage, right: BatchUsage) {
        left.inputTokens.saturatingAdd(right.inputTokens)
        left.cachedTokens.saturatingAdd(right.cachedTokens)
        left.outputTokens.saturatingAdd(right.outputTokens)
        left.reasoningTokens.saturatingAdd(right.reasoningTokens)
    }

    func write(to object: inout JSONObjectWriter) {
        object.field("input_tokens", inputTokens)
        object.object("input_tokens_details") { $0.field("cached_tokens", cachedTokens) }
        object.field("output_tokens", outputTokens)
        object.object("output_tokens_details") { $0.field("reasoning_tokens", reasoningTokens) }
        object.field("total_tokens", inputTokens.saturatingAdding(outputTokens))
    }
}
