import Bytes
import JSON

/// What a response uses over all of its attempts: a restart of the server neither forgets tokens nor grants new ones.
extension Generation {
    /// Names of the limit on the answer's tokens: that of Responses, and those of Chat Completions.
    private static let limitNames = ["max_output_tokens", "max_completion_tokens", "max_tokens"]

    /// The most tokens that the answer may have; nil: as many as the model likes.
    private var maxOutputTokens: Int? {
        Self.limitNames.compactMap { parameters.members[$0]?.int ?? parameters.chatMembers?[$0]?.int }.min()
    }

    /// Whether all that the answer may have was made before the server was started again.
    var hasSpentItsTokens: Bool {
        guard let spent = tally.spent, let maxOutputTokens else { return false }
        return spent.outputTokens >= maxOutputTokens
    }

    /// The parameters for the upstream: of its limit, earlier attempts have used their part.
    var requestParameters: ResponseParameters {
        guard let spent = tally.spent, let maxOutputTokens else { return parameters }
        let left = JSONValue(max(1, maxOutputTokens.saturatingSubtracting(spent.outputTokens)))
        var rest = parameters
        for name in Self.limitNames {
            if rest.members[name]?.int != nil { rest.members[name] = left }
            if rest.chatMembers?[name]?.int != nil { rest.chatMembers?[name] = left }
        }
        return rest
    }

    /// Four bytes a token, and one for the least that can be said.
    private var estimatedPromptTokens: Int { max(min(1, tally.promptByteCount), tally.promptByteCount / 4) }

    /// The process has ended in the middle of an attempt. No upstream will tell what that has used, so we estimate it.
    func countCutAttempt() {
        // Where no upstream has answered, nobody has used anything.
        guard phase.isAccepted || deltaCount > 0 else {
            tally.promptByteCount = 0
            return
        }
        let before = tally.spent ?? Usage(inputTokens: 0, outputTokens: 0)
        let cut = Usage(
            inputTokens: estimatedPromptTokens, outputTokens: max(0, deltaCount.saturatingSubtracting(before.outputTokens)),
            isEstimated: true)
        tally.spent = before.adding(cut)
        tally.promptByteCount = 0
    }

    /// Adds what earlier attempts have used to what the last one has, by its upstream's word or our estimate.
    func settleUsage() {
        let before = tally.spent ?? Usage(inputTokens: 0, outputTokens: 0)
        let estimate = Usage(
            inputTokens: estimatedPromptTokens, outputTokens: max(0, deltaCount.saturatingSubtracting(before.outputTokens)),
            isEstimated: true)
        tally.usage = before.adding(usage?.filled(by: estimate) ?? estimate)
    }
}

extension Usage {
    /// With what the upstream has not counted, or cannot have counted: no prompt and no answer have no tokens.
    func filled(by estimate: Usage) -> Usage {
        var usage = self
        if inputTokens == 0, estimate.inputTokens > 0 {
            usage.inputTokens = estimate.inputTokens
            usage.isEstimated = true
        }
        if outputTokens == 0, estimate.outputTokens > 0 {
            usage.outputTokens = estimate.outputTokens
            usage.isEstimated = true
        }
        return usage
    }

    /// The sum, estimated if one of the two is. Counts come from outside: they saturate.
    func adding(_ other: Usage) -> Usage {
        Usage(
            inputTokens: inputTokens.saturatingAdding(other.inputTokens),
            outputTokens: outputTokens.saturatingAdding(other.outputTokens),
            cachedTokens: cachedTokens.saturatingAdding(other.cachedTokens),
            reasoningTokens: reasoningTokens.saturatingAdding(other.reasoningTokens),
            isEstimated: isEstimated || other.isEstimated)
    }
}
