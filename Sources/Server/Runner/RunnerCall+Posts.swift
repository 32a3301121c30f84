import HTTP
import Network
import Sessions

/// What a runner posts: taken in its order, once.
extension RunnerCall {
    /// Takes what the runner says.
    /// - Parameter then: called when it is committed; on this loop.
    func post(_ post: RunnerPost, then: @escaping (Outcome) -> Void) {
        guard case .leased(let id, _) = state, id == post.leaseID, let sink else {
            then(lateAnswer(to: post))
            return
        }
        leaseEnds = loop.now + options.leaseDuration
        if post.events.isEmpty {
            then(.taken(summary, isRepeated: false))
            return
        }
        if post.number <= lastPost {
            then(.taken(summary, isRepeated: true))
            return
        }
        if let error = check(post, sink) {
            then(.refused(error))
            return
        }
        lastPost = post.number
        hasSaid = true
        for event in post.events where sink.isActive { apply(event, to: sink) }
        let isWhole = sink.isActive || post.endsResponse
        let summary = summary
        sink.whenCommitted(on: loop) { isCommitted in
            guard isCommitted else { return then(.refused(.notCommitted)) }
            then(isWhole ? .taken(summary, isRepeated: false) : .notActive(summary))
        }
    }

    private func check(_ post: RunnerPost, _ sink: GenerationSink) -> APIError? {
        if post.number > lastPost + 1 {
            return APIError(
                status: .conflict, message: "The post before this one is missing: 'seq' must be \(lastPost + 1).", param: "seq",
                code: "seq_gap")
        }
        if isHeld {
            return APIError(
                status: .tooManyRequests, message: "All who listen lag behind. Send it again in a moment.",
                type: "rate_limit_error", code: "readers_lag", retryAfterSeconds: 0.2)
        }
        return sink.hasRoom(forSteps: post.stepIDs) ? nil : .tooManySteps
    }

    private func apply(_ event: RunnerPost.Event, to sink: GenerationSink) {
        switch event {
        case .text(let piece): piece.withUnsafeBytes { sink.textDelta(escaped: $0) }
        case .refusal(let piece): piece.withUnsafeBytes { sink.refusalDelta(escaped: $0) }
        case .reasoning(let piece): piece.withUnsafeBytes { sink.reasoningDelta(escaped: $0) }
        case .step(let step): sink.step(step)
        case .functionCall(let callID, let name, let arguments):
            arguments.withUnsafeBytes { sink.functionCall(callID: callID, name: name, arguments: $0) }
        case .usage(let usage): sink.reportUsage(usage)
        case .done(let reason):
            sink.finish(reason)
            ended()
        case .error(let error):
            sink.fail(error)
            ended()
        }
    }

    /// What is told to whoever has no lease on it, or no longer.
    private func lateAnswer(to post: RunnerPost) -> Outcome {
        if case .ended = state {
            let isRepeated = post.leaseID == lastLeaseID && post.number > 0 && post.number <= lastPost
            return isRepeated ? .taken(summary, isRepeated: true) : .notActive(summary)
        }
        return .refused(.leaseLost)
    }
}

extension APIError {
    static var leaseLost: APIError {
        APIError(
            status: .conflict, message: "The lease is over, and the work is somebody else's, or waits for somebody.",
            param: "lease_id", code: "lease_lost")
    }

    static var tooManySteps: APIError {
        .invalid("A response may have \(Step.Limits.maxCount) steps.", param: "events", code: "too_many_steps")
    }
}
