/// Identifiers as clients know them: a prefix and 24 random letters and digits (142 bits).
public enum Identifier {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new identifier.
    /// - Parameter prefix: the kind of object, such as `resp_`.
    public static func make(_ prefix: String) -> String {
        let words = RandomWords.shared.next()
        return String(unsafeUninitializedCapacity: prefix.utf8.count + 24) { buffer in
            var count = 0
            for byte in prefix.utf8 {
                buffer[count] = byte
                count += 1
            }
            append(words.0, to: buffer, &count)
            append(words.1, to: buffer, &count)
            append(words.2, to: buffer, &count)
            return count
        }
    }

    private static func append(_ word: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) {
        var bits = word
        for _ in 0..<8 {
            buffer[count] = alphabet[Int(bits % 62)]
            bits /= 62
            count += 1
        }
    }
}
