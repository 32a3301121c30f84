import Bytes
import JSON

/// Usage of a response across its attempts: a restart neither forgets tokens nor grants new ones.
extension Generation {
    /// Names of the limit on output tokens: in Responses, and in Chat Completions.
    private static let limitNames = ["max_output_tokens", "max_completion_tokens", "max_tokens"]

    /// Maximum number of output tokens; nil for no limit.
    private var maxOutputTokens: Int? {
        Self.limitNames.compactMap { parameters.members[$0]?.int ?? parameters.chatMembers?[$0]?.int }.min()
    }

    /// Whether the limit on output tokens was reached before a restart.
    var hasSpentItsTokens: Bool {
        guard let spent = tally.spent, let maxOutputTokens else { return false }
        return spent.outputTokens >= maxOutputTokens
    }

    /// Parameters for the upstream, with the limit reduced by the usage of earlier attempts.
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

    /// One token for four bytes, and at least one for any text.
    private var estimatedPromptTokens: Int { max(min(1, tally.promptByteCount), tally.promptByteCount / 4) }

    /// Estimates the usage of an attempt that the end of the process interrupted, since no upstream will report it.
    func countCutAttempt() {
        // An upstream that has not responded has used nothing.
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

    /// Adds the usage of earlier attempts to that of the last one, as reported by the upstream or estimated.
    func settleUsage() {
        let before = tally.spent ?? Usage(inputTokens: 0, outputTokens: 0)
        let estimate = Usage(
            inputTokens: estimatedPromptTokens, outputTokens: max(0, deltaCount.saturatingSubtracting(before.outputTokens)),
            isEstimated: true)
        tally.usage = before.adding(usage?.filled(by: estimate) ?? estimate)
    }
}

extension Usage {
    /// Fills in counts that the upstream omitted or got wrong: only an empty prompt or output has no tokens.
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

    /// The sum; estimated if either is. The counts come from outside, so the sum saturates.
    func adding(_ other: Usage) -> Usage {
        Usage(
            inputTokens: inputTokens.saturatingAdding(other.inputTokens),
            outputTokens: outputTokens.saturatingAdding(other.outputTokens),
            cachedTokens: cachedTokens.saturatingAdding(other.cachedTokens),
            reasoningTokens: reasoningTokens.saturatingAdding(other.reasoningTokens),
            isEstimated: isEstimated || other.isEstimated)
    }
}
