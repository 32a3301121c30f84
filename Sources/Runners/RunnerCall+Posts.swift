import Hosting
import Network
import Sessions

/// A runner's posts: each is applied once, in order.
extension RunnerCall {
    /// Applies a runner's post.
    /// - Parameter then: called on this loop, when the events are committed, or at once if none are applied.
    package func post(_ post: RunnerPost, then: @escaping (Outcome) -> Void) {
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
        if let refusal = check(post, sink) {
            then(.refused(refusal))
            return
        }
        lastPost = post.number
        hasSaid = true
        for event in post.events where sink.isActive { apply(event, to: sink) }
        let isWhole = sink.isActive || post.endsResponse
        let summary = summary
        CommitWait.begin(on: loop, commit: sink.whenCommitted) { isCommitted in
            guard isCommitted else { return then(.refused(.notCommitted)) }
            then(isWhole ? .taken(summary, isRepeated: false) : .notActive(summary))
        }
    }

    private func check(_ post: RunnerPost, _ sink: GenerationSink) -> RunnerRefusal? {
        if post.number > lastPost + 1 { return .postMissing(next: lastPost + 1) }
        if isHeld { return .readersLag }
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

    /// The outcome for a runner that has no lease, or no longer has one.
    private func lateAnswer(to post: RunnerPost) -> Outcome {
        if case .ended = state {
            let isRepeated = post.leaseID == lastLeaseID && post.number > 0 && post.number <= lastPost
            return isRepeated ? .taken(summary, isRepeated: true) : .notActive(summary)
        }
        return .refused(.leaseLost)
    }
}
