import CLinux

/// Detects whether a peer reads a connection's output: more was passed to the kernel, or less is queued there. The kernel reports
/// room only once half of its buffer has drained, which takes a slow reader a while.
struct OutputProgress {
    private var sent: UInt64 = 0
    private var queued: Int32 = -1
    /// When progress was last detected.
    private(set) var seen = Instant(nanoseconds: 0)

    /// Records the output's position.
    /// - Returns: whether it differs from the previous one.
    mutating func hasMoved(of connection: Connection) -> Bool {
        let sent = connection.bytesSent
        let queued = clinux_unsent(connection.descriptor)
        if sent == self.sent, queued == self.queued { return false }
        (self.sent, self.queued, seen) = (sent, queued, connection.loop.now)
        return true
    }
}
