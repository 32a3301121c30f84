/// The end of a text that a model was asked to continue in a new message. Decides what separates the two.
///
/// A message never begins with a space, whether it continues a word or starts the next one, so this is a judgement: by the
/// punctuation on both sides and, between two letters, by the words known from the conversation. See `Protocols/upstreams.md`,
/// Going on.
struct TextEdge: Sendable, Hashable {
    enum Joint: Hashable {
        case asItIs, blank
        /// The second half repeats the interrupted word from its start; the number of its bytes that were already delivered.
        case repeatedWord(byteCount: Int)
    }

    /// Longest word examined on either side, in Unicode scalars.
    private static let maxWordScalars = 64
    /// Bytes of each text that are searched for known words.
    private static let maxKnownBytes = 4096
    /// Shortest repeated word, in Unicode scalars: a single letter may be a word, and the next word may begin with it.
    private static let minRepeatedWordScalars = 2

    private let last: Unicode.Scalar?
    private let lastButOne: Unicode.Scalar?
    private let lastWord: String
    /// Signs that both open and close, currently open.
    private let openSigns: Set<Unicode.Scalar>
    /// Whether the text ends within a fenced code block, or on a fence.
    private let isCode: Bool
    private let isListMarker: Bool
    /// In lower case.
    private let knownWords: Set<String>

    private static let fence = "```"
    private static let symmetricSigns: [Unicode.Scalar] = ["\"", "*", "`"]
    /// Signs that are followed by a space before a word.
    private static let closingSigns = Set(".,;:!?…)]”»%".unicodeScalars)
    private static let openingSigns = Set("([“„«‘¿¡".unicodeScalars)

    /// - Parameter text: without trailing white space.
    init(_ text: String, question: String = "") {
        let scalars = text.unicodeScalars
        last = scalars.last
        lastButOne = scalars.dropLast().last
        lastWord = String(
            String.UnicodeScalarView(scalars.suffix(Self.maxWordScalars).reversed().prefix(while: \.isOfWord).reversed()))
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let line = lines.last ?? ""
        openSigns = Set(Self.symmetricSigns.filter { Self.runCount(of: $0, in: line) % 2 == 1 })
        let fences = lines.count { $0.drop(while: \.isWhitespace).hasPrefix(Self.fence) }
        isCode = fences % 2 == 1 || line.drop(while: \.isWhitespace).hasPrefix(Self.fence)
        isListMarker = Self.isListMarker(line.drop(while: \.isWhitespace))
        var words: Set<String> = []
        for known in [text, question] {
            for word in Self.tail(known).unicodeScalars.split(whereSeparator: { !$0.isOfWord }) {
                words.insert(String(word).lowercased())
            }
        }
        knownWords = words
    }

    private static func tail(_ text: String) -> String {
        String(decoding: text.utf8.suffix(maxKnownBytes), as: UTF8.self)
    }

    /// A run, as in bold text, counts as one sign.
    private static func runCount(of sign: Unicode.Scalar, in line: Substring) -> Int {
        var count = 0
        var before: Unicode.Scalar?
        for scalar in line.unicodeScalars {
            if scalar == sign, before != sign { count += 1 }
            before = scalar
        }
        return count
    }

    private static func isListMarker(_ line: Substring) -> Bool {
        if ["-", "*", "+", ">", "•"].contains(line) { return true }
        if !line.isEmpty, line.allSatisfy({ $0 == "#" }) { return true }
        let digits = line.prefix { $0.isASCII && $0.isNumber }
        return !digits.isEmpty && [".", ")"].contains(line.dropFirst(digits.count))
    }

    /// Whether the joint depends on the rest of the word with which this text begins.
    func needsWhole(wordOf text: some StringProtocol) -> Bool {
        guard !isCode, let last, let first = text.unicodeScalars.first, last.isOfWord, first.isOfWord,
            !last.isOfUnspacedScript, !first.isOfUnspacedScript
        else { return false }
        return text.unicodeScalars.prefix(Self.maxWordScalars).allSatisfy(\.isOfWord)
            && text.unicodeScalars.count < Self.maxWordScalars
    }

    /// The separator to the second half.
    /// - Parameter text: without leading white space.
    func joint(with text: String) -> Joint {
        guard !isCode, let last, let first = text.unicodeScalars.first else { return .asItIs }
        if last.isOfUnspacedScript || first.isOfUnspacedScript { return .asItIs }
        if first.isOfWord {
            return last.isOfWord ? joint(withWordOf: text, first, after: last) : isApart(first, after: last) ? .blank : .asItIs
        }
        let isBehindWords = last.isOfWord || Self.closingSigns.contains(last)
        if Self.openingSigns.contains(first) {
            let isLink = last == "]" && (first == "(" || first == "[")
            return isBehindWords && !isLink ? .blank : .asItIs
        }
        if Self.symmetricSigns.contains(first) { return isBehindWords && !openSigns.contains(first) ? .blank : .asItIs }
        return .asItIs
    }

    /// Whether a space belongs between the last sign and a word.
    private func isApart(_ first: Unicode.Scalar, after last: Unicode.Scalar) -> Bool {
        // 3.14, 10:30, 1,000
        if first.isDigit, lastButOne?.isDigit ?? false, last == "." || last == "," || last == ":" { return false }
        if isListMarker { return true }
        if Self.symmetricSigns.contains(last) { return !openSigns.contains(last) }
        return Self.closingSigns.contains(last)
    }

    private func joint(withWordOf text: String, _ first: Unicode.Scalar, after last: Unicode.Scalar) -> Joint {
        if first.isDigit, last.isDigit { return .asItIs }
        let word = String(String.UnicodeScalarView(text.unicodeScalars.prefix(Self.maxWordScalars).prefix(while: \.isOfWord)))
        if lastWord.unicodeScalars.count >= Self.minRepeatedWordScalars, word.utf8.starts(with: lastWord.utf8) {
            return .repeatedWord(byteCount: lastWord.utf8.count)
        }
        return knownWords.contains((lastWord + word).lowercased()) ? .asItIs : .blank
    }
}

extension Unicode.Scalar {
    /// Whether the scalar is a letter, a digit, or a mark on one.
    var isOfWord: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber,
            .nonspacingMark, .spacingMark:
            true
        default: false
        }
    }

    fileprivate var isDigit: Bool { properties.generalCategory == .decimalNumber }

    /// Whether the scalar's script has no spaces between words or, in Korean, none before a word's ending.
    fileprivate var isOfUnspacedScript: Bool {
        switch value {
        // Thai and Lao, Burmese, Hangul, Khmer, Chinese and Japanese with their punctuation and forms.
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1100...0x11FF, 0x1780...0x17FF, 0x2E80...0x9FFF, 0xAC00...0xD7FF,
            0xF900...0xFAFF, 0xFF00...0xFFEF, 0x20000...0x3FFFF:
            true
        default: false
        }
    }
}
