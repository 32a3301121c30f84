import CLinux

/// What a peer has taken of a connection's output, to see whether it takes any: more has gone to the kernel, or less waits there.
/// The kernel asks for more only when half of what it holds has left it, for which a slow reader needs its time.
struct OutputProgress {
    private var sent: UInt64 = 0
    private var queued: Int32 = -1
    /// When it was last found to have moved.
    private(set) var seen = Instant(nanoseconds: 0)

    /// Takes note of where the output stands.
    /// - Returns: whether that is another place than the one noted before.
    mutating func hasMoved(of connection: Connection) -> Bool {
        let sent = connection.bytesSent
        let queued = clinux_unsent(connection.descriptor)
        if sent == self.sent, queued == self.queued { return false }
        (self.sent, self.queued, seen) = (sent, queued, connection.loop.now)
        return true
    }
}
