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
        self.conclusion = conclusion
        session.log.store(.response(GenerationRecord(self)))
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
        switch conclusion {
        case .judging?: judge()
        case .telling(let final)?: endPiecewise(final)
        case nil: break
        }
    }

    /// Answers of so many bytes are told piecewise.
    private static let leastLongByteCount = 512 << 10

    func endPiecewise(_ final: Status) {
        guard items.reduce(0, { $0 + $1.textByteCount }) >= Self.leastLongByteCount else { return endAtOnce(final) }
        conclude(by: .telling(final))
        goOn { $0.nextPiece(final) }
    }

    func endAtOnce(_ final: Status) {
        end(final)
        session.generationEnded(self)
    }

    private func nextPiece(_ final: Status) {
        if let item = items.first(where: { $0.ending != .told }) {
            if item.closedAs == nil { beginClosing(item, as: final == .completed ? .completed : .incomplete) }
            emitNextDone(item)
            goOn { $0.nextPiece(final) }
        } else {
            endAtOnce(final)
        }
    }

    private var isEnding: Bool { status == .inProgress && !isStopping }

    private func goOn(_ action: @escaping (Generation) -> Void) {
        _ = session.host.schedule(after: .zero) { [self] in
            // It may have been cut meanwhile, or its session be gone.
            if isEnding { action(self) }
        }
    }
}
