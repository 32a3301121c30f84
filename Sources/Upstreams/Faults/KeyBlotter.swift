/// Removes keys from an upstream's text before it is passed on: the configured key, even if quoted in part, and anything that looks
/// like another key.
struct KeyBlotter {
    static let blot = "[key]"
    /// A key of at least this length is removed even within a word. A shorter one, such as `none`, is hardly a secret, and is
    /// removed only as a whole word.
    private static let minSecretByteCount = 8
    /// Bytes of the key's beginning or end that identify a masked word as the key.
    private static let partByteCount = 4

    let key: String?

    func clean(_ text: String) -> String {
        var text = text
        if let key, key.utf8.count >= Self.minSecretByteCount { text = text.replacing(key, with: Self.blot) }
        var result = ""
        var rest = text[...]
        while let first = rest.first {
            let word = rest.prefix { Self.isOfKey($0) }
            if word.isEmpty {
                result.append(first)
                rest = rest.dropFirst()
            } else {
                rest = rest[word.endIndex...]
                result += cleaned(word)
            }
        }
        return result
    }

    private static func isOfKey(_ character: Character) -> Bool {
        character.isASCII
            ? character.isLetter || character.isNumber || "-_*.+".contains(character) : character == "…" || character == "•"
    }

    private func cleaned(_ word: Substring) -> String {
        // A full stop after a key belongs to the sentence.
        let end = word.last == "." && !word.hasSuffix("..") ? "." : ""
        return isKey(word.dropLast(end.count)) ? Self.blot + end : String(word)
    }

    private func isKey(_ word: Substring) -> Bool {
        if let key, word == key { return true }
        let isMasked = word.contains("***") || word.contains("...") || word.contains("…") || word.contains("••")
        let hasPrefix = ["sk-", "sk_", "gsk_", "xai-", "AIza", "hf_", "nvapi-", "r8_"].contains { word.hasPrefix($0) }
        if hasPrefix, isMasked || word.utf8.count >= 16 { return true }
        guard isMasked else { return false }
        if word.contains("***") || word.contains("••") { return word.contains { $0.isLetter || $0.isNumber } }
        guard let key, key.utf8.count >= Self.minSecretByteCount else { return false }
        return word.hasPrefix(key.prefix(Self.partByteCount)) || word.hasSuffix(key.suffix(Self.partByteCount))
    }
}
