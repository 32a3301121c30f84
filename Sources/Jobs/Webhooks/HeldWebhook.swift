import Synchronization

/// An event that is delivered once the event itself and the end of its object are committed. A receiver that fetches the response
/// thus finds it ended, and no end is reported that a crash may undo.
package final class HeldWebhook: Sendable {
    private struct State {
        var isWritten = false
        var isReleased = false
    }

    private let state = Mutex(State())
    private let send: @Sendable () -> Void

    init(_ send: @escaping @Sendable () -> Void) { self.send = send }

    /// Records that the event is committed.
    func written() { settle { $0.isWritten = true } }

    /// Records that the end of the object is committed.
    package func release() { settle { $0.isReleased = true } }

    private func settle(_ change: (inout State) -> Void) {
        let mustSend = state.withLock { state in
            let wasSent = state.isWritten && state.isReleased
            change(&state)
            return !wasSent && state.isWritten && state.isReleased
        }
        if mustSend { send() }
    }
}
