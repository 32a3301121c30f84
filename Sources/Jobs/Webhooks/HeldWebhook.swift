import Synchronization

/// An event that is written, and goes out when both it and what it tells of are on the disk: a receiver that asks for the response
/// at once finds it ended, and after a crash nobody was told of an end that is not there.
package final class HeldWebhook: Sendable {
    private struct State {
        var isWritten = false
        var isReleased = false
    }

    private let state = Mutex(State())
    private let send: @Sendable () -> Void

    init(_ send: @escaping @Sendable () -> Void) { self.send = send }

    /// The event is in the store.
    func written() { settle { $0.isWritten = true } }

    /// What it tells of is on the disk.
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
