/// How this end wants to use permessage-deflate, RFC 7692; the peer may narrow it.
///
/// The defaults are for streams of small, similar messages (tokens): a small window that lives as long as the connection. What a
/// window costs and gains is measured in Protocols/websocket.md.
public struct DeflateOptions: Equatable, Sendable {
    /// 2^n bytes of history: of what we send, and of what we take where the peer lets us say so (`client_max_window_bits`).
    /// 9...15. zlib looks back 262 bytes less than the window.
    public var windowBits: Int
    /// zlib's memLevel for what we send, 1...9: 2^(n+9) bytes of hash table and pending symbols. A small one means small blocks.
    public var memoryLevel: Int
    /// zlib's level for what we send, 1 (fast) to 9 (small).
    public var compressionLevel: Int
    /// Shorter messages are sent as they are, in bytes.
    public var minMessageBytes: Int
    /// Whether what we send may refer to earlier messages. Without, tokens shrink little, but an idle connection holds no
    /// compressor.
    public var keepsOutgoingContext: Bool
    /// The same for what we take.
    public var keepsIncomingContext: Bool

    /// Windows that zlib makes without a header: it has none of 2^8 bytes.
    public static let windowBitsRange = 9...15
    public static let memoryLevelRange = 1...9

    public init(
        windowBits: Int = 11, memoryLevel: Int = 2, compressionLevel: Int = 6, minMessageBytes: Int = 64,
        keepsOutgoingContext: Bool = true, keepsIncomingContext: Bool = true
    ) {
        self.windowBits = windowBits
        self.memoryLevel = memoryLevel
        self.compressionLevel = compressionLevel
        self.minMessageBytes = minMessageBytes
        self.keepsOutgoingContext = keepsOutgoingContext
        self.keepsIncomingContext = keepsIncomingContext
    }
}
