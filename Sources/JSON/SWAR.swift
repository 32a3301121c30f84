/// Eight bytes examined at once within a register.
enum SWAR {
    static let lowBits: UInt64 = 0x0101_0101_0101_0101
    static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Marks the high bit of bytes that end a plain run of a JSON string: `"`, `\` and those below 0x20.
    ///
    /// The lowest mark is exact; marks above it may be false, because a borrow runs upwards from a true one.
    @inline(__always)
    static func stringSpecials(_ word: UInt64) -> UInt64 {
        let quote = word ^ 0x2222_2222_2222_2222
        let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let quotes = (quote &- lowBits) & ~quote
        let backslashes = (backslash &- lowBits) & ~backslash
        let controls = (word &- 0x2020_2020_2020_2020) & ~word
        return (quotes | backslashes | controls) & highBits
    }

    /// Eight bytes at any alignment, the first one in the lowest bits.
    @inline(__always)
    static func load(_ start: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// How many bytes precede the lowest mark.
    @inline(__always)
    static func bytesBefore(_ marks: UInt64) -> Int { marks.trailingZeroBitCount >> 3 }
}
