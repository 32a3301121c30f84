/// Searching and trimming text from users. Works on bytes where possible, since prompts may be long.
enum RehearsalText {
    /// Most words quoted from a message or an answer.
    static let maxQuotedWords = 8
    static let maxQuotedWordCharacters = 32

    /// The first occurrence of an ASCII text, given in lower case, in any case.
    static func find(_ needle: String, in text: Substring) -> Range<String.Index>? {
        let needle = Array(needle.utf8)
        guard let first = needle.first else { return nil }
        let utf8 = text.utf8
        var start = utf8.startIndex
        while let index = utf8[start...].firstIndex(where: { lowered($0) == first }) {
            let candidate = utf8[index...].prefix(needle.count)
            if candidate.count == needle.count, candidate.lazy.map(lowered).elementsEqual(needle) {
                return index..<candidate.endIndex
            }
            start = utf8.index(after: index)
        }
        return nil
    }

    static func contains(_ text: some StringProtocol, _ needle: String) -> Bool { find(needle, in: Substring(text)) != nil }

    private static func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// The text without leading and trailing white space.
    static func trimmed(_ text: String) -> String {
        guard let first = text.firstIndex(where: { !$0.isWhitespace }), let last = text.lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return first == text.startIndex && text.index(after: last) == text.endIndex ? text : String(text[first...last])
    }

    /// Number of words, as the endpoint counts tokens.
    static func wordCount(_ text: String) -> Int {
        var count = 0
        var isInWord = false
        for byte in text.utf8 {
            let isBlank = byte == 0x20 || (0x09...0x0D).contains(byte)
            if !isBlank, !isInWord { count += 1 }
            isInWord = !isBlank
        }
        return count
    }

    /// The last words of a text, on one line.
    static func quoted(_ text: String) -> String {
        let tail = text.suffix(maxQuotedWords * (maxQuotedWordCharacters + 2))
        let words = tail.split(whereSeparator: \.isWhitespace)
        let last = words.suffix(maxQuotedWords).map { word in
            word.count > maxQuotedWordCharacters ? word.prefix(maxQuotedWordCharacters) + "…" : word
        }
        let isWhole = words.count == last.count && tail.startIndex == text.startIndex
        return (isWhole ? "" : "…") + last.joined(separator: " ")
    }

    /// Whether a text ends in the middle of a sentence.
    static func isCut(_ text: String) -> Bool {
        guard let last = text.last(where: { !$0.isWhitespace }) else { return false }
        return !".!?…\"'”’)]}»`*。！？".contains(last)
    }

    /// The word with a full stop instead of other punctuation, to end an answer.
    static func withFullStop(_ word: String) -> String {
        var word = word
        word.removeAll { "“”".contains($0) }
        while let last = word.last, ".,:;!?…".contains(last) { word.removeLast() }
        return word + "."
    }

    /// The text without a bracketed first line about an interruption, which the conversation shows anyway.
    static func withoutInterruptionNote(_ text: String) -> String {
        guard text.first == "[", let end = text.firstIndex(where: \.isNewline) else { return text }
        let line = text[..<end]
        return line.last == "]" && contains(line, "interrupted") ? String(text[text.index(after: end)...]) : text
    }

    /// The line, or the bracketed remark within it, that asks to continue the answer above.
    static func steerNote(in text: String) -> Range<String.Index>? {
        guard let wish = find("continue", in: text[...]), contains(text, "answer") else { return nil }
        var rest = text[wish.lowerBound...]
        while let wish = find("continue", in: rest) {
            let start = text[..<wish.lowerBound].lastIndex(where: \.isNewline).map { text.index(after: $0) } ?? text.startIndex
            let end = text[wish.upperBound...].firstIndex(where: \.isNewline) ?? text.endIndex
            let line = text[start..<end]
            if contains(line, "answer above") || contains(line, "your answer") || contains(line, "previous answer") {
                let bracket = text[start..<wish.lowerBound].lastIndex { $0 == "(" || $0 == "[" }
                return (bracket ?? start)..<end
            }
            rest = text[end...]
        }
        return nil
    }
}
