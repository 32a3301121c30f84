/// How much one message may ask for. Every bound is checked while bytes arrive, before they are kept.
public struct MessageLimits: Sendable, Hashable {
    /// The request or status line without its CRLF; beyond it 414.
    public var maxStartLineBytes = 16_384
    /// Header lines in number; beyond it 431.
    public var maxHeaderFields = 100
    /// All header lines with their CRLFs; beyond it 431.
    public var maxHeaderBytes = 32_768
    /// The body without its framing; beyond it 413. The largest that any route takes: a route lowers it with
    /// ``RequestParser/restrictBody(toBytes:)``.
    public var maxBodyBytes = 64 << 20
    /// Chunk extensions of one body together; beyond it 413. Nobody uses them but attackers.
    public var maxChunkExtensionBytes = 4096
    /// The trailer section with its CRLFs; beyond it 431.
    public var maxTrailerBytes = 8192

    public init() {}
}
