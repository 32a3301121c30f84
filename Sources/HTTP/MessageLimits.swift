/// Limits of one message, checked as bytes arrive, before they are stored.
public struct MessageLimits: Sendable, Hashable {
    /// The request or status line without its CRLF, in bytes; beyond it 414.
    public var maxStartLineBytes = 16_384
    /// Number of header lines; beyond it 431.
    public var maxHeaderFields = 100
    /// All header lines with their CRLFs, in bytes; beyond it 431.
    public var maxHeaderBytes = 32_768
    /// The body without its framing, in bytes; beyond it 413. The maximum over all routes; a route lowers it with
    /// ``RequestParser/restrictBody(toBytes:)``.
    public var maxBodyBytes = 64 << 20
    /// All chunk extensions of one body, in bytes; beyond it 413. Only attackers use them.
    public var maxChunkExtensionBytes = 4096
    /// The trailer section with its CRLFs, in bytes; beyond it 431.
    public var maxTrailerBytes = 8192

    public init() {}
}
