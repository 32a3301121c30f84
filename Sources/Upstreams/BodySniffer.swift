/// Determines the kind of a response body from its first bytes, since `Content-Type` may be wrong.
///
/// Skips a byte order mark, empty lines and comments, which servers send to keep a connection alive.
struct BodySniffer {
    enum Kind {
        /// Server-sent events.
        case stream
        /// A single JSON value.
        case whole
        /// An HTML page or plain text.
        case other
    }

    private enum State {
        case betweenLines
        case comment
        case field
    }

    /// Longest prefix of the first line that is examined. Names of SSE fields are shorter.
    private static let maxNameByteCount = 32
    private static let fields = ["data", "event", "id", "retry", "error"]

    private var state = State.betweenLines
    /// The part of the first line consumed so far.
    private(set) var beginning: [UInt8] = []

    /// Consumes bytes until the kind is known.
    /// - Parameters:
    ///   - bytes: advanced past the consumed bytes; the rest belongs behind ``beginning``.
    ///   - isLabelledStream: whether the response is labelled `text/event-stream`. Such a stream may start with an unknown field.
    mutating func take(_ bytes: inout UnsafeRawBufferPointer, isLabelledStream: Bool) -> Kind? {
        while let byte = bytes.first {
            switch state {
            case .betweenLines:
                switch byte {
                case UInt8(ascii: "{"), UInt8(ascii: "["): return .whole
                case UInt8(ascii: "<"): return .other
                case UInt8(ascii: ":"): state = .comment
                // White space and the byte order mark.
                case ...0x20, 0xEF, 0xBB, 0xBF: break
                default:
                    state = .field
                    continue
                }
            case .comment:
                if byte == 0x0A || byte == 0x0D { state = .betweenLines }
            case .field:
                let isEnd = byte == UInt8(ascii: ":") || byte == 0x0A || byte == 0x0D
                if isEnd || beginning.count >= Self.maxNameByteCount {
                    let name = String(decoding: beginning, as: UTF8.self)
                    if Self.fields.contains(name) { return .stream }
                    return isEnd && isLabelledStream && !name.contains(" ") ? .stream : .other
                }
                beginning.append(byte)
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        }
        return nil
    }
}
