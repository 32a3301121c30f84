/// An interrupted answer that continues: its text so far, and how the model is made to continue it.
package struct Continuation: Sendable, Hashable {
    /// Whether the model continues the text itself; otherwise a note asks it to, and it begins a new message.
    package let isPrefilled: Bool
    /// UTF-8 of the text without trailing white space, which is not sent: providers reject it, and models are not trained to
    /// continue after it.
    let said: [UInt8]
    /// The trailing white space, which was delivered nevertheless.
    let trailing: [UInt8]
    /// The end of the text, as far as the joint depends on it.
    let edge: TextEdge

    /// - Parameters:
    ///   - text: the text so far, to the last character.
    ///   - question: the user's last message.
    package init(_ text: String, isPrefilled: Bool, question: String = "") {
        let utf8 = Array(text.utf8)
        let end = text.unicodeScalars.lastIndex { !$0.properties.isWhitespace }.map { text.unicodeScalars.index(after: $0) }
        let byteCount = text.utf8.distance(from: text.startIndex, to: end ?? text.startIndex)
        said = Array(utf8[..<byteCount])
        trailing = Array(utf8[byteCount...])
        edge = isPrefilled ? TextEdge("") : TextEdge(String(decoding: said, as: UTF8.self), question: question)
        self.isPrefilled = isPrefilled
    }

    /// The delivered text as sent to the model, without trailing white space.
    var saidText: String { String(decoding: said, as: UTF8.self) }

    /// A shorter text may be repeated by coincidence, as may one of punctuation alone (a rule, an indentation).
    private static let minRecognisedByteCount = 4
    /// After a prefill, repetition is the exception, and a model may well continue with the same words ("Knock knock").
    private static let minRecognisedPrefillByteCount = AnswerText.minRepeatedPieceByteCount

    /// Whether an answer that begins with this text is taken to repeat it.
    var isRecognisable: Bool {
        said.count >= (isPrefilled ? Self.minRecognisedPrefillByteCount : Self.minRecognisedByteCount)
            && saidText.unicodeScalars.contains(where: \.isOfWord)
    }
}
