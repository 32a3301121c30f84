import Bytes
import Testing

@Suite struct Base64Tests {
    private static func encode(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { Base64.encode($0) } }

    /// RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func matchesTheVectorsOfTheRFC(plain: String, text: String) throws {
        #expect(Self.encode(Array(plain.utf8)) == text)
        #expect(try Base64.decode(text) == Array(plain.utf8))
        var buffer = ByteBuffer()
        buffer.append("<")
        Array(plain.utf8).withUnsafeBytes { Base64.encode($0, into: &buffer) }
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == "<" + text)
    }

    @Test(
        arguments: [
            ("Zg", .incompleteGroup(textByteCount: 2)), ("Zg=", .incompleteGroup(textByteCount: 3)),
            ("=", .incompleteGroup(textByteCount: 1)), ("Zm9v\n", .incompleteGroup(textByteCount: 5)),
            ("Zm9vZ===", .invalidByte(offset: 5)), ("====", .invalidByte(offset: 0)), ("Zg==Zg==", .invalidByte(offset: 2)),
            ("Zm-v", .invalidByte(offset: 2)), ("Zm_v", .invalidByte(offset: 2)), ("Zm v", .invalidByte(offset: 2)),
            ("Z\n==", .invalidByte(offset: 1)), ("Zm9=v===", .invalidByte(offset: 3)), ("é==", .invalidByte(offset: 0)),
            ("Zh==", .nonzeroTrailingBits), ("Zi==", .nonzeroTrailingBits), ("Zk==", .nonzeroTrailingBits),
            ("Zo==", .nonzeroTrailingBits), ("Zm9=", .nonzeroTrailingBits), ("Zm+=", .nonzeroTrailingBits),
        ] as [(String, Base64Error)])
    func refusesWhatIsNotCanonical(text: String, error: Base64Error) {
        #expect(throws: error) { try Base64.decode(text) }
    }

    @Test func anErrorAppendsNothing() {
        var output = ByteBuffer()
        output.append("kept")
        let text = Array("Zm9vZm9vZm9v!m9v".utf8)
        #expect(throws: Base64Error.invalidByte(offset: 12)) {
            try text.withUnsafeBytes { try Base64.decode($0, into: &output) }
        }
        #expect(output.array == Array("kept".utf8))
    }

    @Test func everyLengthReadsBack() throws {
        var bytes: [UInt8] = []
        for count in 0..<300 {
            let text = Self.encode(bytes)
            #expect(text.utf8.count == Base64.encodedByteCount(count))
            #expect(try Base64.decode(text) == bytes)
            bytes.append(UInt8(truncatingIfNeeded: count &* 151 &+ 7))
        }
    }
}
