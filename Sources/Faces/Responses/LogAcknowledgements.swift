import Network

/// How much of a session's log a reader has sent to its socket, and the end of the connection that waits for acknowledgements in it.
///
/// An outcome comes behind the events that acknowledge the command, unless the reader lags: then they are still to be sent.
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
        // Our close waits for no event.
        if sequence <= sentSequence || socket.isClosing { return }
        let step = socket.delayingEnd { (_: Void) in }
        unsent.append((sequence, { step(()) }))
    }

    func sent(through sequence: Int) {
        sentSequence = sequence
        while let next = unsent.first, next.sequence <= sequence { unsent.removeFirst().whenSent() }
    }

    /// No further event is sent.
    func end() { sent(through: .max) }
}
