/// Finds out what the body of an answer is by how it begins, since its `Content-Type` may say something else.
///
/// Skips a byte order mark, empty lines and comments, which servers send to keep a connection alive.
struct BodySniffer {
    enum Kind {
        /// Server-sent events.
        case stream
        /// One piece of JSON.
        case whole
        /// A page, or words.
        case other
    }

    private enum State {
        case betweenLines
        case comment
        case field
    }

    /// Bytes of the first line that may come before it is told what it is: a field's name is shorter.
    private static let maxNameByteCount = 32
    private static let fields = ["data", "event", "id", "retry", "error"]

    private var state = State.betweenLines
    /// Of the first line, as far as it was taken.
    private(set) var beginning: [UInt8] = []

    /// Takes bytes up to the point at which it is known.
    /// - Parameters:
    ///   - bytes: what it did not take stays in them; it belongs behind ``beginning``.
    ///   - isLabelledStream: a field that nobody knows may stand at the beginning of a stream.
    mutating func take(_ bytes: inout UnsafeRawBufferPointer, isLabelledStream: Bool) -> Kind? {
        while let byte = bytes.first {
            switch state {
            case .betweenLines:
                switch byte {
                case UInt8(ascii: "{"), UInt8(ascii: "["): return .whole
                case UInt8(ascii: "<"): return .other
                case UInt8(ascii: ":"): state = .comment
                // White space, and the byte order mark.
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
