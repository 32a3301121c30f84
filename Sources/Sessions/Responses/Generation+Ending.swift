import Bytes
import JSON

/// The end of a response that was not interrupted. Each of its last events repeats the whole text: for a long response each is
/// written in an iteration of its own, so that other sessions need not wait for all of them.
///
/// An interruption meanwhile takes effect as before: the response ends at once, with the remaining events.
extension Generation {
    /// How a complete response ends: the model has finished, but `status` is still in progress.
    public enum Conclusion: Sendable, Hashable {
        /// The format is being validated.
        case judging
        /// Its last events are being written; it ends with this status.
        case telling(Status)
    }

    /// Also stores the conclusion: after a restart, a complete response ends as it would have, without another request to the
    /// model.
    func conclude(by conclusion: Conclusion) {
        phase = .concluding(conclusion)
        store()
    }

    /// Stores the response's current state.
    func store() { log.store(.response(GenerationRecord(self))) }

    /// The model has finished.
    func modelEnded(_ reason: FinishReason) {
        accept()
        callEnded()
        goOnEnding(by: Self.conclusion(of: reason))
    }

    /// The model has finished, but its output is still being played: ``playbackEnded()`` ends the response. Until then it can be
    /// interrupted like a running one.
    func beginPlayback(_ reason: FinishReason) {
        accept()
        callEnded()
        phase = .playing(Self.conclusion(of: reason))
        // After a restart, a complete response ends as it would have, without another request to the model.
        store()
    }

    /// The output has been played to its end: ends the response. No effect unless it is being played.
    public func playbackEnded() {
        if case .playing(let conclusion) = phase { goOnEnding(by: conclusion) }
    }

    private static func conclusion(of reason: FinishReason) -> Conclusion {
        switch reason {
        case .stop, .toolCalls: .judging
        case .length: .telling(.incomplete(.maxOutputTokens))
        case .contentFilter: .telling(.incomplete(.contentFilter))
        }
    }

    /// Ends the response without waiting, because the server stops.
    func endAtOnce(_ conclusion: Conclusion) {
        switch conclusion {
        case .judging:
            judgeNow()
            endAtOnce(Self.status(by: verdict))
        case .telling(let final): endAtOnce(final)
        }
    }

    /// Resumes the end of a response that was complete when the process ended.
    func goOnEnding() {
        if let conclusion = phase.conclusion { goOnEnding(by: conclusion) }
    }

    private func goOnEnding(by conclusion: Conclusion) {
        switch conclusion {
        case .judging: judge()
        case .telling(let final): endPiecewise(final)
        }
    }

    /// Size of the text in bytes from which on a response ends in several iterations.
    private static let leastLongByteCount = 512 << 10

    func endPiecewise(_ final: Status) {
        guard draft.items.reduce(0, { $0 + $1.textByteCount }) >= Self.leastLongByteCount else { return endAtOnce(final) }
        conclude(by: .telling(final))
        goOn { $0.nextPiece(final) }
    }

    func endAtOnce(_ final: Status) {
        end(final)
        context.queue?.generationEnded(self)
    }

    private func nextPiece(_ final: Status) {
        if let item = draft.items.first(where: { $0.ending != .told }) {
            if item.closedAs == nil { beginClosing(item, as: final == .completed ? .completed : .incomplete) }
            emitNextDone(item)
            goOn { $0.nextPiece(final) }
        } else {
            endAtOnce(final)
        }
    }

    private func goOn(_ action: @escaping (Generation) -> Void) {
        _ = context.host.schedule(after: .zero) { [self] in
            // The response may have been interrupted meanwhile, or its session deleted.
            if phase.isUnderWay { action(self) }
        }
    }
}
