import Bytes
import JSON

/// The end of an answer that has come to its end by itself. Each of the last events tells once more all that was said: of a long
/// answer they are made in iterations of their own, and nobody else waits for all of them.
///
/// Meanwhile it can be cut as before, and ends at once then, with what is not told yet.
extension Generation {
    /// How far the end of an answer is that is whole: the model has said all, and `status` is in progress yet.
    public enum Conclusion: Sendable, Hashable {
        /// Whether it is as it must be is being found out.
        case judging
        /// Its last events are being told, and this is how it ends.
        case telling(Status)
    }

    /// Remembers it also for the next start: nobody is asked to go on with an answer that is whole, and it ends as it would have.
    func conclude(by conclusion: Conclusion) {
        phase = .concluding(conclusion)
        store()
    }

    /// Stores it as it stands.
    func store() { log.store(.response(GenerationRecord(self))) }

    /// The model came to its end.
    func modelEnded(_ reason: FinishReason) {
        accept()
        callEnded()
        goOnEnding(by: Self.conclusion(of: reason))
    }

    /// The model came to its end, and what it said is still being heard: ``playbackEnded()`` ends the response. Until then an
    /// interjection cuts it like any that runs.
    func beginPlayback(_ reason: FinishReason) {
        accept()
        callEnded()
        phase = .playing(Self.conclusion(of: reason))
        // After a restart it ends as it would have, and no model is asked to go on with an answer that is whole.
        store()
    }

    /// What the model said was heard to its end: the response ends now. Nothing happens to one that is not being heard.
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

    /// The server stops, and does not wait for what was begun.
    func endAtOnce(_ conclusion: Conclusion) {
        switch conclusion {
        case .judging:
            judgeNow()
            endAtOnce(Self.status(by: verdict))
        case .telling(let final): endAtOnce(final)
        }
    }

    /// Goes on with the end of an answer that was whole when the process ended.
    func goOnEnding() {
        if let conclusion = phase.conclusion { goOnEnding(by: conclusion) }
    }

    private func goOnEnding(by conclusion: Conclusion) {
        switch conclusion {
        case .judging: judge()
        case .telling(let final): endPiecewise(final)
        }
    }

    /// Answers of so many bytes are told piecewise.
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
            // It may have been cut meanwhile, or its session be gone.
            if phase.isUnderWay { action(self) }
        }
    }
}
