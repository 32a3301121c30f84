import CZlib
import WebSocket

/// What the compressed messages of one direction say: each is inflated anew from its first byte, all of it at once, by a stream of
/// zlib's with the largest window, which is given what the window would hold.
///
/// A larger window than was agreed on understands whatever the agreed one does, and more: see ``isExact``.
struct DeflateReference {
    enum Outcome { case fine, tooBig, corrupt }

    /// Whether the receiver must come to the same. With a smaller window zlib notices a reference beyond it only when what it refers
    /// to came in an earlier read: the receiver may take such a message or refuse it.
    let isExact: Bool
    private static let windowByteCount = 1 << 15
    private let keepsContext: Bool
    private var history: [UInt8] = []

    /// - Parameter parameters: the server's response, plainly; nil when it declined.
    init?(_ parameters: String?, role: Role) {
        guard let parameters else { return nil }
        let sender = role == .server ? "client" : "server"
        let words = parameters.split(separator: ";").map { $0.filter { $0 != " " } }
        keepsContext = !words.contains("\(sender)_no_context_takeover")
        isExact = !words.contains { $0.hasPrefix("\(sender)_max_window_bits=") && !$0.hasSuffix("=15") }
    }

    /// - Parameters:
    ///   - isWhole: whether the message ends here, so that what its sender took off is put back and must end it.
    ///   - most: bytes that a message may have; at most one more is made.
    mutating func message(_ compressed: [UInt8], isWhole: Bool, most: Int) -> (content: [UInt8], outcome: Outcome) {
        let read = inflate(compressed, most)
        guard isWhole, read.outcome == .fine else { return (read.content, read.outcome) }
        if !read.endsInFinalBlock, !isEnd(of: compressed, read.content) { return (read.content, .corrupt) }
        history = keepsContext ? Array((history + read.content).suffix(Self.windowByteCount)) : []
        return (read.content, .fine)
    }

    /// Whether the tail of RFC 7692 §7.2.2 ends the message: it says nothing, and a block that follows says what it says.
    private func isEnd(of compressed: [UInt8], _ content: [UInt8]) -> Bool {
        let withTail = compressed + [0, 0, 0xFF, 0xFF]
        let atTail = inflate(withTail, content.count)
        let mark: UInt8 = 0x58
        let beyond = inflate(withTail + [1, 1, 0, 0xFE, 0xFF, mark], content.count + 1)
        return atTail.outcome == .fine && atTail.content == content && !atTail.endsInFinalBlock
            && beyond.outcome == .fine && beyond.content == content + [mark] && beyond.endsInFinalBlock
    }

    private func inflate(_ compressed: [UInt8], _ most: Int) -> (content: [UInt8], outcome: Outcome, endsInFinalBlock: Bool) {
        var content: [UInt8] = []
        var rest = compressed
        while true {
            var window = Array((history + content).suffix(Self.windowByteCount))
            var room = [UInt8](repeating: 0, count: most + 1 - content.count)
            let read = Self.inflateOnce(&rest, &window, &room)
            content.append(contentsOf: room.prefix(read.byteCount))
            rest.removeFirst(rest.count - read.restByteCount)
            if content.count > most { return (content, .tooBig, false) }
            switch read.status {
            case Z_OK, Z_BUF_ERROR: return (content, .fine, false)
            // Another stream starts where one with BFINAL ended.
            case Z_STREAM_END where rest.isEmpty: return (content, .fine, true)
            case Z_STREAM_END: continue
            default: return (content, .corrupt, false)
            }
        }
    }

    private static func inflateOnce(
        _ input: inout [UInt8], _ window: inout [UInt8], _ room: inout [UInt8]
    ) -> (status: Int32, byteCount: Int, restByteCount: Int) {
        let stream = UnsafeMutablePointer<czlib_stream>.allocate(capacity: 1)
        defer { stream.deallocate() }
        var status = czlib_inflate_init(stream, 15)
        if !window.isEmpty { status = inflateSetDictionary(&stream.pointee.z, window, UInt32(window.count)) }
        check(status == Z_OK, "no reference: \(status)")
        stream.pointee.z.avail_in = UInt32(input.count)
        stream.pointee.z.avail_out = UInt32(room.count)
        input.withUnsafeMutableBufferPointer { input in
            room.withUnsafeMutableBufferPointer { room in
                stream.pointee.z.next_in = input.baseAddress
                stream.pointee.z.next_out = room.baseAddress
                status = CZlib.inflate(&stream.pointee.z, Z_SYNC_FLUSH)
            }
        }
        let restByteCount = Int(stream.pointee.z.avail_in)
        let byteCount = room.count - Int(stream.pointee.z.avail_out)
        inflateEnd(&stream.pointee.z)
        return (status, byteCount, restByteCount)
    }
}
