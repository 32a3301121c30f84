/// An answer that was cut and goes on: what was said of it, and how the model is made to continue.
package struct Continuation: Sendable, Hashable {
    /// Whether the model writes on behind the very text; else it was asked for it, and begins a message.
    package let isPrefilled: Bool
    /// UTF-8 of what was said, without the white space at its end, which is not sent: providers refuse it, and models were not
    /// trained to go on behind it.
    let said: [UInt8]
    /// The white space at its end: delivered all the same.
    let trailing: [UInt8]
    /// What the joint must know of its end.
    let edge: TextEdge

    /// - Parameters:
    ///   - text: what was said, to the last character.
    ///   - question: the user's last words.
    package init(_ text: String, isPrefilled: Bool, question: String = "") {
        let utf8 = Array(text.utf8)
        let end = text.unicodeScalars.lastIndex { !$0.properties.isWhitespace }.map { text.unicodeScalars.index(after: $0) }
        let byteCount = text.utf8.distance(from: text.startIndex, to: end ?? text.startIndex)
        said = Array(utf8[..<byteCount])
        trailing = Array(utf8[byteCount...])
        edge = isPrefilled ? TextEdge("") : TextEdge(String(decoding: said, as: UTF8.self), question: question)
        self.isPrefilled = isPrefilled
    }

    /// The delivered text, as it is sent.
    var saidText: String { String(decoding: said, as: UTF8.self) }

    /// So short a text may be said again by chance, as may one of signs alone (a rule, an indentation).
    private static let minRecognisedByteCount = 4
    /// Behind a prefill it is the exception, and what a model writes on with may well be what it wrote ("Knock knock").
    private static let minRecognisedPrefillByteCount = AnswerText.minRepeatedPieceByteCount

    /// Whether an answer that begins with it repeats it.
    var isRecognisable: Bool {
        said.count >= (isPrefilled ? Self.minRecognisedPrefillByteCount : Self.minRecognisedByteCount)
            && saidText.unicodeScalars.contains(where: \.isOfWord)
    }
}
