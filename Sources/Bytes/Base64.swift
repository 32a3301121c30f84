/// Why a text is not valid base64 (RFC 4648 §4).
public enum Base64Error: Error, Equatable, CustomStringConvertible {
    /// The length is not a multiple of four: truncated text, or missing padding.
    case incompleteGroup(textByteCount: Int)
    /// A byte outside the alphabet (white space, `-` and `_` included), or `=` before the end.
    case invalidByte(offset: Int)
    /// The unused bits of the last group are not zero (RFC 4648 §3.5): two texts would decode to the same bytes.
    case nonzeroTrailingBits

    public var description: String {
        switch self {
        case .incompleteGroup(let count):
            "base64 text of \(count) bytes is not a multiple of 4: send it whole and padded with '='"
        case .invalidByte(let offset):
            "byte \(offset) of the base64 text is not in the standard alphabet: send no line breaks and no base64url"
        case .nonzeroTrailingBits:
            "the last base64 group has bits that belong to no byte: encode it again with a standard encoder"
        }
    }
}

/// Base64 with the standard alphabet and padding, RFC 4648 §4. Decoding accepts nothing else.
public enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    private static let padding = UInt8(ascii: "=")
    /// The value of each byte in the alphabet, or 0xFF.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for value in 0..<alphabet.utf8CodeUnitCount { values[Int(alphabet.utf8Start[value])] = UInt8(value) }
        return values
    }()

    /// Length of the encoded text of `byteCount` bytes, in bytes.
    public static func encodedByteCount(_ byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

    /// Appends `bytes` as base64 text. O(n), allocates only what the buffer needs to grow.
    public static func encode(_ bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        let textByteCount = encodedByteCount(bytes.count)
        guard textByteCount > 0 else { return }
        output.write(room: textByteCount) { room in
            encode(bytes, to: room)
            return textByteCount
        }
    }

    /// `bytes` as base64 text.
    public static func encode(_ bytes: UnsafeRawBufferPointer) -> String {
        let textByteCount = encodedByteCount(bytes.count)
        return String(unsafeUninitializedCapacity: textByteCount) { room in
            encode(bytes, to: UnsafeMutableRawBufferPointer(room))
            return textByteCount
        }
    }

    private static func encode(_ bytes: UnsafeRawBufferPointer, to room: UnsafeMutableRawBufferPointer) {
        guard let source = bytes.baseAddress, let target = room.baseAddress else { return }
        let letters = alphabet.utf8Start
        var read = 0
        var written = 0
        func put(_ group: UInt32) {
            let text =
                UInt32(letters[Int(group >> 18 & 63)]) | UInt32(letters[Int(group >> 12 & 63)]) << 8
                | UInt32(letters[Int(group >> 6 & 63)]) << 16 | UInt32(letters[Int(group & 63)]) << 24
            target.storeBytes(of: text.littleEndian, toByteOffset: written, as: UInt32.self)
            written += 4
        }
        func byte(_ offset: Int) -> UInt32 { UInt32(source.load(fromByteOffset: offset, as: UInt8.self)) }
        while bytes.count - read >= 3 {
            put(byte(read) << 16 | byte(read + 1) << 8 | byte(read + 2))
            read += 3
        }
        switch bytes.count - read {
        case 1:
            put(byte(read) << 16)
            target.storeBytes(of: padding, toByteOffset: written - 2, as: UInt8.self)
            target.storeBytes(of: padding, toByteOffset: written - 1, as: UInt8.self)
        case 2:
            put(byte(read) << 16 | byte(read + 1) << 8)
            target.storeBytes(of: padding, toByteOffset: written - 1, as: UInt8.self)
        default: break
        }
    }

    /// Appends the decoded bytes. Appends nothing if it throws.
    public static func decode(_ text: UnsafeRawBufferPointer, into output: inout ByteBuffer) throws(Base64Error) {
        guard text.count % 4 == 0 else { throw .incompleteGroup(textByteCount: text.count) }
        guard let source = text.baseAddress, text.count > 0 else { return }
        var paddingCount = 0
        if text[text.count - 1] == padding { paddingCount = text[text.count - 2] == padding ? 2 : 1 }
        let byteCount = text.count / 4 * 3 - paddingCount
        try output.write(room: byteCount) { room throws(Base64Error) in
            guard let target = room.baseAddress else { return 0 }
            try decode(source, textByteCount: text.count - paddingCount, to: target)
            return byteCount
        }
    }

    /// The decoded bytes.
    public static func decode(_ text: String) throws(Base64Error) -> [UInt8] {
        var output = ByteBuffer()
        var input = ByteBuffer()
        input.append(text)
        try decode(input.bytes, into: &output)
        return output.array
    }

    /// - Parameter textByteCount: bytes of text without the padding.
    private static func decode(
        _ source: UnsafeRawPointer, textByteCount: Int, to target: UnsafeMutableRawPointer
    ) throws(Base64Error) {
        try values.withUnsafeBufferPointer { values throws(Base64Error) in
            func value(_ offset: Int) -> UInt32 {
                UInt32(values[Int(source.load(fromByteOffset: offset, as: UInt8.self))])
            }
            func put(_ byte: UInt32, at offset: Int) {
                target.storeBytes(of: UInt8(truncatingIfNeeded: byte), toByteOffset: offset, as: UInt8.self)
            }
            var read = 0
            var written = 0
            while textByteCount - read >= 4 {
                let (a, b, c, d) = (value(read), value(read + 1), value(read + 2), value(read + 3))
                if (a | b | c | d) > 63 { throw .invalidByte(offset: firstInvalidByte(source, from: read, values)) }
                let group = a << 18 | b << 12 | c << 6 | d
                put(group >> 16, at: written)
                put(group >> 8, at: written + 1)
                put(group, at: written + 2)
                read += 4
                written += 3
            }
            let restByteCount = textByteCount - read
            guard restByteCount > 0 else { return }
            let (a, b, c) = (value(read), value(read + 1), restByteCount == 3 ? value(read + 2) : 0)
            if (a | b | c) > 63 { throw .invalidByte(offset: firstInvalidByte(source, from: read, values)) }
            guard restByteCount == 3 ? c & 3 == 0 : b & 15 == 0 else { throw .nonzeroTrailingBits }
            put(a << 2 | b >> 4, at: written)
            if restByteCount == 3 { put(b << 4 | c >> 2, at: written + 1) }
        }
    }

    private static func firstInvalidByte(
        _ source: UnsafeRawPointer, from first: Int, _ values: UnsafeBufferPointer<UInt8>
    ) -> Int {
        var offset = first
        while values[Int(source.load(fromByteOffset: offset, as: UInt8.self))] <= 63 { offset += 1 }
        return offset
    }
}
