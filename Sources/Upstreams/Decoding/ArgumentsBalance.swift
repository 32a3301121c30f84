/// Tracks whether a call's arguments, received in pieces, form a complete JSON object or array.
struct ArgumentsBalance {
    private var depth = 0
    private var isInString = false
    /// Whether the preceding character was a backslash of the arguments themselves.
    private var isEscaped = false
    private(set) var isWhole = false

    /// - Parameter escaped: contents of a JSON string; unescaped, they are the arguments.
    mutating func add(_ escaped: UnsafeRawBufferPointer) {
        var position = 0
        while position < escaped.count {
            var byte = escaped[position]
            position += 1
            if byte == UInt8(ascii: "\\"), position < escaped.count {
                byte = escaped[position]
                position += 1
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): break
                case UInt8(ascii: "u"):
                    byte = Self.isASCII(escaped, position) ? Self.byte(escaped, position) : UInt8(ascii: "x")
                    position = min(position + 4, escaped.count)
                default: byte = UInt8(ascii: " ")
                }
            }
            take(byte)
        }
    }

    private mutating func take(_ byte: UInt8) {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            if depth == 0 { isWhole = true }
        default: break
        }
    }

    /// Whether the four hex digits at `offset` encode an ASCII character: `\u0022` is a quote like any other.
    private static func isASCII(_ escaped: UnsafeRawBufferPointer, _ offset: Int) -> Bool {
        offset + 4 <= escaped.count && escaped[offset] == UInt8(ascii: "0") && escaped[offset + 1] == UInt8(ascii: "0")
            && escaped[offset + 2] < UInt8(ascii: "8")
    }

    private static func byte(_ escaped: UnsafeRawBufferPointer, _ offset: Int) -> UInt8 {
        var value: UInt8 = 0
        for digit in escaped[offset + 2..<offset + 4] {
            let small = digit | 0x20
            value = value << 4 | (digit <= UInt8(ascii: "9") ? digit & 15 : small &- UInt8(ascii: "a") &+ 10 & 15)
        }
        return value
    }
}
