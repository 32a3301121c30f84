import Network

/// Tracks how much of a session's log a reader has sent to its socket, and delays the end of the connection until the
/// acknowledgements in that log are sent.
///
/// The outcome of a command arrives after the events that acknowledge it, unless the reader lags: then those are still to be sent.
final class LogAcknowledgements {
    private let socket: ResponsesSocket
    /// Sequence number of the last event that was sent.
    private var sentSequence = 0
    /// In the order of the log.
    private var unsent: [(sequence: Int, whenSent: () -> Void)] = []

    init(on socket: ResponsesSocket) { self.socket = socket }

    /// Delays the end of the connection until an acknowledgement is sent.
    /// - Parameter sequence: the sequence number of the acknowledgement.
    func delayEnd(untilSent sequence: Int) {
        // The server's own close does not wait for events.
        if sequence <= sentSequence || socket.isClosing { return }
        let step = socket.delayingEnd { (_: Void) in }
        unsent.append((sequence, { step(()) }))
    }

    func sent(through sequence: Int) {
        sentSequence = sequence
        while let next = unsent.first, next.sequence <= sequence { unsent.removeFirst().whenSent() }
    }

    /// Called when no further event will be sent.
    func end() { sent(through: .max) }
}
