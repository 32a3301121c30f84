import Bytes
import Digests

/// The secret of an API key: `ij-`, 43 random letters and digits (256 bits), and a checksum of six.
///
/// The checksum tells a mistyped key from an unknown one without a lookup in the store, and lets scanners for leaked secrets be
/// sure.
public struct APIKeySecret: Sendable, Hashable {
    /// The secret itself, as clients send it.
    public let text: String

    /// The prefix of every secret.
    public static let prefix = "ij-"
    private static let randomCount = 43
    private static let checkCount = 6
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new secret, from the system's random number generator.
    public init() {
        var generator = SystemRandomNumberGenerator()
        var letters = Array(Self.prefix.utf8)
        for _ in 0..<Self.randomCount { letters.append(Self.alphabet[Int.random(in: 0..<62, using: &generator)]) }
        text = String(decoding: letters + Self.check(letters), as: UTF8.self)
    }

    /// Whether the text has the form of a secret and a valid checksum.
    public static func isWellFormed(_ text: String) -> Bool {
        let letters = Array(text.utf8)
        guard text.hasPrefix(prefix), letters.count == prefix.utf8.count + randomCount + checkCount else { return false }
        return Array(letters.suffix(checkCount)) == check(letters.dropLast(checkCount))
    }

    /// The part of the secret that may be shown: its first characters.
    public var hint: String { String(text.prefix(9)) }

    /// The digest that is stored. No salt and no stretching: 256 random bits cannot be guessed at any speed.
    public var hash: [UInt8] { SHA256.digest(text) }

    /// CRC-32 (ISO 3309) as six base-62 digits.
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
