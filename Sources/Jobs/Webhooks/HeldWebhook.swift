import Synchronization

/// An event to deliver once both it and its object's end are committed: a receiver that fetches the response finds it ended, and no
/// end is reported that a crash has undone.
package final class HeldWebhook: Sendable {
    private struct State {
        var isWritten = false
        var isReleased = false
    }

    private let state = Mutex(State())
    private let send: @Sendable () -> Void

    init(_ send: @escaping @Sendable () -> Void) { self.send = send }

    /// The event is committed.
    func written() { settle { $0.isWritten = true } }

    /// The object's end is committed.
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
