import Bytes
import Testing

@testable import Digests

@Suite struct DigestTests {
    private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined() }

    /// FIPS 180-4's "abc" and "", in one piece and in several.
    @Test func digestsAreThoseOfTheStandard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(hex(SHA256.digest("abc")) == abc)
        #expect(hex(SHA256.digest("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let running = SHA256.Running()
        for piece in ["a", "", "bc"] { Array(piece.utf8).withUnsafeBytes(running.append) }
        #expect(hex(running.finish()) == abc)
    }

    /// RFC 4231: the second case, and the sixth, whose key is longer than a block.
    @Test func codesAreThoseOfTheRFC() {
        let code = HMACSHA256.code(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)) ?? []
        #expect(hex(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let long = [UInt8](repeating: 0xAA, count: 131)
        let message = Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
        #expect(
            hex(HMACSHA256.code(of: message, key: long) ?? [])
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        #expect(HMACSHA256.isCode(code, of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
        #expect(!HMACSHA256.isCode(code, of: message, key: long) && !HMACSHA256.isCode([], of: message, key: long))
    }

    @Test func equalityIsThatOfAllBytes() {
        let bytes = Array(UInt8(0)...40)
        #expect(bytes.isEqualInConstantTime(to: bytes))
        #expect("secret".utf8.isEqualInConstantTime(to: Array("secret".utf8)))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x80
            #expect(!bytes.isEqualInConstantTime(to: other))
        }
        #expect(!bytes.isEqualInConstantTime(to: bytes.dropLast()) && ![UInt8]().isEqualInConstantTime(to: []))
    }
}
