/// Runs of bytes that are there at once.
extension UTF8Validator {
    /// Whether `bytes` are complete, well-formed UTF-8.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool { firstInvalidOffset(bytes) == nil }

    /// Offset of the first byte outside a well-formed sequence; nil if there is none. O(n); ASCII is taken 32 bytes at a time.
    public static func firstInvalidOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        let count = bytes.count
        var position = skipCharacters(start, from: 0, count: count)
        while position < count {
            let length = sequenceLength(start + position, byteCount: count - position)
            if length < 0 { return position }
            position += length
        }
        return nil
    }

    /// Length of the well-formed sequence at `start`, or minus the length of the maximal ill-formed subpart that one U+FFFD stands
    /// for (Unicode 15 §3.9, table 3-7).
    /// - Parameter byteCount: bytes that there are, at least 1.
    public static func sequenceLength(_ start: UnsafeRawPointer, byteCount: Int) -> Int {
        if byteCount >= 4 {
            let length = FourBytes(start).characterLength
            if length > 0 { return length }
        }
        return steppedLength(start, byteCount: byteCount)
    }

    private static func steppedLength(_ start: UnsafeRawPointer, byteCount: Int) -> Int {
        var validator = UTF8Validator()
        var position = 0
        while position < byteCount {
            guard validator.step(start.load(fromByteOffset: position, as: UInt8.self)) else { break }
            position += 1
            if validator.isComplete { return position }
        }
        return -max(1, position)
    }

    /// Skips whole characters while four bytes can be looked at together.
    /// - Returns: the offset of a malformed one, or of what is left: three bytes at most.
    @inline(__always)
    static func skipCharacters(_ start: UnsafeRawPointer, from first: Int, count: Int) -> Int {
        var position = first
        while true {
            position = skipASCII(start, from: position, count: count)
            while true {
                guard count - position >= 4 else { return position }
                let next = FourBytes(start + position)
                if next.beginWithASCII { break }
                if next.haveThreeByteForm {
                    guard next.areThreeByteCharacter else { return position }
                    position += 3
                } else if next.haveTwoByteForm {
                    guard next.areTwoByteCharacter else { return position }
                    position += 2
                } else {
                    guard next.areFourByteCharacter else { return position }
                    position += 4
                }
            }
        }
    }

    /// The offset of the first byte that is not ASCII.
    private static func skipASCII(_ start: UnsafeRawPointer, from first: Int, count: Int) -> Int {
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var position = first
        while count - position >= 32 {
            let a = start.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let b = start.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)
            let c = start.loadUnaligned(fromByteOffset: position + 16, as: UInt64.self)
            let d = start.loadUnaligned(fromByteOffset: position + 24, as: UInt64.self)
            if (a | b | c | d) & highBits != 0 { break }
            position += 32
        }
        while count - position >= 8 {
            let word = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: position, as: UInt64.self)) & highBits
            if word != 0 { return position + word.trailingZeroBitCount / 8 }
            position += 8
        }
        while position < count, start.load(fromByteOffset: position, as: UInt8.self) < 0x80 { position += 1 }
        return position
    }
}

/// Four bytes in one register, the first one lowest, and the character that they begin with.
private struct FourBytes {
    private let word: UInt32

    @inline(__always) init(_ start: UnsafeRawPointer) { word = UInt32(littleEndian: start.loadUnaligned(as: UInt32.self)) }

    @inline(__always) var beginWithASCII: Bool { word & 0x80 == 0 }
    @inline(__always) var haveTwoByteForm: Bool { word & 0xC0E0 == 0x80C0 }
    @inline(__always) var haveThreeByteForm: Bool { word & 0xC0_C0F0 == 0x80_80E0 }

    /// Of those with a two-byte form: not overlong (C0 and C1).
    @inline(__always) var areTwoByteCharacter: Bool { word & 0x1E != 0 }
    /// Of those with a three-byte form: neither overlong (E0 80...9F) nor a surrogate (ED A0...BF).
    @inline(__always) var areThreeByteCharacter: Bool { word & 0x200F != 0 && word & 0x200F != 0x200D }
    /// Neither overlong (F0 80...8F) nor above U+10FFFF (F4 90... and F5...).
    @inline(__always) var areFourByteCharacter: Bool {
        word & 0xC0C0_C0F8 == 0x8080_80F0 && word & 0x3007 != 0 && (word & 0x04 == 0 || word & 0x3003 == 0)
    }

    /// 0 if it is malformed.
    @inline(__always) var characterLength: Int {
        if beginWithASCII { return 1 }
        if haveThreeByteForm { return areThreeByteCharacter ? 3 : 0 }
        if haveTwoByteForm { return areTwoByteCharacter ? 2 : 0 }
        return areFourByteCharacter ? 4 : 0
    }
}
