/// This end's preferences for permessage-deflate, RFC 7692; the peer may narrow them.
///
/// The defaults suit streams of small, similar messages (tokens): a small window that lives as long as the connection.
/// Protocols/websocket.md has measurements of windows' costs and savings.
public struct DeflateOptions: Equatable, Sendable {
    /// 2^n bytes of history, 9...15, for sending, and for receiving if the peer lets us set it (`client_max_window_bits`). zlib's
    /// matches reach back 262 bytes less than the window.
    public var windowBits: Int
    /// zlib's memLevel for sending, 1...9: 2^(n+9) bytes of hash table and pending symbols. A low level means small blocks.
    public var memoryLevel: Int
    /// zlib's level for sending, 1 (fast) to 9 (small).
    public var compressionLevel: Int
    /// Shorter messages are sent uncompressed, in bytes.
    public var minMessageBytes: Int
    /// Whether sent messages may refer to earlier ones. Without it, tokens hardly shrink, but an idle connection needs no
    /// compressor.
    public var keepsOutgoingContext: Bool
    /// The same for received messages.
    public var keepsIncomingContext: Bool

    /// Window sizes that zlib supports for raw DEFLATE: not 2^8 bytes.
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
