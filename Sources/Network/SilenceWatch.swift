/// Detects a peer's silence. Has no clock: its owner passes the time, and checks again after the returned delay.
struct SilenceWatch {
    /// Progress of the request's body is only seen by polling, so it is checked this many times per timeout; a silence after the
    /// body is detected at most one interval late.
    private static let looksPerTimeout = 16

    /// Longest silence allowed.
    var timeout: Duration
    /// Size of the request's body; while it is being sent, the peer is not silent.
    private let uploadByteCount: Int
    private var uploadedByteCount = 0
    /// When the silence began.
    private var progressedAt = Instant(nanoseconds: 0)

    init(timeout: Duration, uploadByteCount: Int) {
        self.timeout = timeout
        self.uploadByteCount = uploadByteCount
    }

    /// Restarts the silence.
    mutating func progress(now: Instant) { progressedAt = now }

    /// - Parameters:
    ///   - uploadedByteCount: bytes of the request's body sent so far.
    ///   - isPaused: whether this end has paused the peer.
    /// - Returns: the delay until the next check; nil if the silence has lasted too long.
    mutating func look(now: Instant, uploadedByteCount: Int, isPaused: Bool) -> Duration? {
        if isPaused || uploadedByteCount != self.uploadedByteCount { progressedAt = now }
        self.uploadedByteCount = uploadedByteCount
        let left = progressedAt + timeout - now
        guard left > .zero else { return nil }
        let isUploading = uploadedByteCount < uploadByteCount
        return max(.milliseconds(1), isUploading ? min(left, timeout / Self.looksPerTimeout) : left)
    }
}
