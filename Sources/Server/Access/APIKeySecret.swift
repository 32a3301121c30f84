import Bytes
import COpenSSL

/// The secret of a key: `ij-`, 43 random letters and digits (256 bits), and six that check them.
///
/// The check tells a mistyped key from an unknown one without a look at the store, and lets scanners for leaked secrets be sure.
public struct APIKeySecret: Sendable, Hashable {
    public let text: String

    public static let prefix = "ij-"
    private static let randomCount = 43
    private static let checkCount = 6
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new one, from the system's random numbers.
    public init() {
        var generator = SystemRandomNumberGenerator()
        var letters = Array(Self.prefix.utf8)
        for _ in 0..<Self.randomCount { letters.append(Self.alphabet[Int.random(in: 0..<62, using: &generator)]) }
        text = String(decoding: letters + Self.check(letters), as: UTF8.self)
    }

    /// Whether the text has the form of a key, and its check is right.
    public static func isWellFormed(_ text: String) -> Bool {
        let letters = Array(text.utf8)
        guard text.hasPrefix(prefix), letters.count == prefix.utf8.count + randomCount + checkCount else { return false }
        return Array(letters.suffix(checkCount)) == check(letters.dropLast(checkCount))
    }

    /// What people may see of it.
    public var hint: String { String(text.prefix(9)) }

    /// What is kept of it. Without salt and stretching: 256 random bits cannot be guessed, however fast.
    public var hash: [UInt8] { SHA256.digest(text) }

    /// CRC-32 (ISO 3309) as six digits to base 62.
    private static func check(_ letters: some Sequence<UInt8>) -> [UInt8] {
        var remainder = UInt32.max
        for letter in letters {
            remainder ^= UInt32(letter)
            for _ in 0..<8 { remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xEDB8_8320 : remainder >> 1 }
        }
        var value = ~remainder
        var digits: [UInt8] = []
        for _ in 0..<checkCount {
            digits.append(alphabet[Int(value % 62)])
            value /= 62
        }
        return digits
    }
}

/// SHA-256 by libcrypto, and HMAC with it (RFC 2104).
package enum SHA256 {
    static let byteCount = 32

    package static func digest(_ text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { digest(UnsafeRawBufferPointer($0)) }
    }

    static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
            // It fails only where libcrypto has no SHA-256; the digest of nothing then matches no key.
            count = EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, nil, EVP_sha256(), nil) == 1 ? byteCount : 0
        }
    }

    /// RFC 2104 §2. - Parameter key: at most 64 bytes.
    static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        let block = key + [UInt8](repeating: 0, count: max(0, 64 - key.count))
        let inner = (block.map { $0 ^ 0x36 } + message).withUnsafeBytes(digest)
        return (block.map { $0 ^ 0x5C } + inner).withUnsafeBytes(digest)
    }

    /// Takes the same time wherever they differ.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count, !left.isEmpty else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
