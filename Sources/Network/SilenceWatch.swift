/// How long a peer may be silent, without a clock of its own: whoever has it gives the time, and looks again when it is told to.
struct SilenceWatch {
    /// A request's body goes out without a word to us, so that while it does this much of the timeout passes between two looks: a
    /// silence that begins after it is noticed at most this much later.
    private static let looksPerTimeout = 16

    /// How long a silence may last.
    var timeout: Duration
    /// Bytes of the request's body: as long as they go out, on a slow line, nobody is silent.
    private let uploadByteCount: Int
    private var uploadedByteCount = 0
    /// When the silence began.
    private var progressedAt = Instant(nanoseconds: 0)

    init(timeout: Duration, uploadByteCount: Int) {
        self.timeout = timeout
        self.uploadByteCount = uploadByteCount
    }

    /// Something came that was waited for.
    mutating func progress(now: Instant) { progressedAt = now }

    /// - Parameters:
    ///   - uploadedByteCount: of the request's body, by now.
    ///   - isPaused: it is we who let the peer wait.
    /// - Returns: after how long to look again; nil when the silence has lasted too long.
    mutating func look(now: Instant, uploadedByteCount: Int, isPaused: Bool) -> Duration? {
        if isPaused || uploadedByteCount != self.uploadedByteCount { progressedAt = now }
        self.uploadedByteCount = uploadedByteCount
        let left = progressedAt + timeout - now
        guard left > .zero else { return nil }
        let isUploading = uploadedByteCount < uploadByteCount
        return max(.milliseconds(1), isUploading ? min(left, timeout / Self.looksPerTimeout) : left)
    }
}
