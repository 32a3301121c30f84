/// Finds the end of a JSON number and checks its grammar (RFC 8259 §6).
struct NumberScan {
    /// Offset of the first byte after the number.
    var end: Int
    /// Neither fraction nor exponent.
    var isInteger: Bool

    /// - Parameter offset: of the number's first byte.
    init(_ start: UnsafeRawPointer, from offset: Int, byteCount: Int) throws(JSONError) {
        var position = offset
        isInteger = true
        if Self.byte(start, position, byteCount) == UInt8(ascii: "-") { position += 1 }
        if Self.byte(start, position, byteCount) == UInt8(ascii: "0") {
            position += 1
            if Self.isDigit(Self.byte(start, position, byteCount)) {
                throw JSONError(.invalidNumber, byteOffset: offset)
            }
        } else {
            try Self.skipDigits(start, &position, byteCount, numberAt: offset)
        }
        if Self.byte(start, position, byteCount) == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try Self.skipDigits(start, &position, byteCount, numberAt: offset)
        }
        if Self.byte(start, position, byteCount) | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            let sign = Self.byte(start, position, byteCount)
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try Self.skipDigits(start, &position, byteCount, numberAt: offset)
        }
        end = position
    }

    /// 0 past the end; no number contains a NUL.
    @inline(__always)
    private static func byte(_ start: UnsafeRawPointer, _ offset: Int, _ byteCount: Int) -> UInt8 {
        offset < byteCount ? start.load(fromByteOffset: offset, as: UInt8.self) : 0
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    @inline(__always)
    private static func skipDigits(
        _ start: UnsafeRawPointer, _ position: inout Int, _ byteCount: Int, numberAt offset: Int
    ) throws(JSONError) {
        guard isDigit(byte(start, position, byteCount)) else {
            throw position >= byteCount
                ? JSONError(.unexpectedEnd, byteOffset: byteCount) : JSONError(.invalidNumber, byteOffset: offset)
        }
        repeat { position += 1 } while isDigit(byte(start, position, byteCount))
    }
}
