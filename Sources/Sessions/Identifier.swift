/// Identifiers in the form that clients know: a prefix and 24 random letters and digits (142 bits).
public enum Identifier {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// - Parameter prefix: what it names, for example `resp_`.
    public static func make(_ prefix: String) -> String {
        var generator = SystemRandomNumberGenerator()
        return String(unsafeUninitializedCapacity: prefix.utf8.count + 24) { buffer in
            var count = 0
            for byte in prefix.utf8 {
                buffer[count] = byte
                count += 1
            }
            var bits: UInt64 = 0
            for position in 0..<24 {
                if position % 8 == 0 { bits = generator.next() }
                buffer[count] = alphabet[Int(bits % 62)]
                bits /= 62
                count += 1
            }
            return count
        }
    }
}
