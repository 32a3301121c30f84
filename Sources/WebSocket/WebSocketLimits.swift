/// What one connection may ask of this endpoint.
public struct WebSocketLimits: Sendable {
    /// Largest message taken, all fragments together, in bytes of payload. A frame that announces more is refused
    /// before its payload arrives; a compressed one is refused as soon as it has made more than this. The number
    /// of fragments is not limited: empty and tiny ones cost nothing that stays.
    public var maxMessageBytes: Int
    /// Above so many unsent bytes in the output a ping is not answered at once: the latest one waits, older ones are
    /// forgotten, as RFC 6455 §5.5.3 allows. It bounds what a peer can make us queue that sends pings and never reads.
    public var maxUnsentBytesBeforePongsWait: Int

    public init(maxMessageBytes: Int = 16 << 20, maxUnsentBytesBeforePongsWait: Int = 256 << 10) {
        self.maxMessageBytes = maxMessageBytes
        self.maxUnsentBytesBeforePongsWait = maxUnsentBytesBeforePongsWait
    }
}
