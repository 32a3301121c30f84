/// Limits of one connection.
public struct WebSocketLimits: Sendable {
    /// Largest accepted message over all fragments, in bytes of payload. A frame that announces more is refused before its payload
    /// arrives; a compressed message, as soon as its output exceeds the limit. The number of fragments is not limited: empty and
    /// tiny ones take no lasting memory.
    public var maxMessageBytes: Int
    /// Unsent output, in bytes, above which pings are not answered at once: the latest one waits and older ones are dropped, as RFC
    /// 6455 §5.5.3 allows. Bounds the pongs queued for a peer that sends pings and never reads.
    public var maxUnsentBytesBeforePongsWait: Int

    public init(maxMessageBytes: Int = 16 << 20, maxUnsentBytesBeforePongsWait: Int = 256 << 10) {
        self.maxMessageBytes = maxMessageBytes
        self.maxUnsentBytesBeforePongsWait = maxUnsentBytesBeforePongsWait
    }
}
