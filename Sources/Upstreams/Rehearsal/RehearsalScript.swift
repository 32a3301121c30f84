/// Generates the words of one answer token by token, without building the text. The same conversation and directives give the same
/// answer.
struct RehearsalScript: Sendable {
    /// Tokens in the whole answer.
    private(set) var tokenCount: Int
    private(set) var takenTokenCount = 0

    private var body: Body
    private var sentence: RehearsalSentence
    private var nextToken = 0
    /// Index of the set of endings.
    private var endingSet = 0

    private enum Body: Sendable {
        /// Sentences of the pool; the last one is chosen to fit the length.
        case sentences(RehearsalSentenceOrder)
        /// The first sentence, repeated.
        case repetition
    }

    /// Tokens of an answer whose length is not requested.
    static let defaultTokenCounts = 60...180
    /// Least number of further tokens in a continued answer whose length is not requested.
    static let minContinuationTokenCount = 24
    /// Most nested continuations that are traced back.
    static let maxContinuationDepth = 64

    /// The answer to a conversation, or the text that its directives request.
    init(_ conversation: RehearsalConversation, _ directives: RehearsalDirectives) {
        if directives.echo {
            self.init(echoing: conversation.saidText, maxTokenCount: directives.tokens)
        } else if let text = directives.repeatedText {
            self.init(repeating: text, tokenCount: directives.tokens ?? Self.defaultTokenCount(conversation.hash))
        } else {
            self.init(answering: conversation, directives, depth: 0)
        }
    }

    /// A fixed sequence of tokens, such as the pieces of a tool call's arguments.
    init(tokens: [String]) {
        sentence = RehearsalSentence(tokens: tokens)
        tokenCount = tokens.count
        body = .repetition
    }

    private init(repeating word: String, tokenCount: Int) {
        sentence = RehearsalSentence(tokens: [word])
        self.tokenCount = tokenCount
        body = .repetition
    }

    private init(echoing text: String, maxTokenCount: Int?) {
        var tokens: [String] = []
        var start = text.startIndex
        while start < text.endIndex {
            let word = text[start...].firstIndex { !$0.isWhitespace } ?? text.endIndex
            let end = text[word...].firstIndex(where: \.isWhitespace) ?? text.endIndex
            tokens.append(String(text[start..<end]))
            start = end
        }
        self.init(tokens: Array(tokens.prefix(maxTokenCount ?? .max)))
    }

    private init(answering conversation: RehearsalConversation, _ directives: RehearsalDirectives, depth: Int) {
        let seed = directives.seed ?? conversation.hash
        if let continuation = conversation.continuation {
            self.init(continuing: continuation, directives, seed: seed, depth: depth)
            return
        }
        var opening = "This is the rehearsal model, no AI:"
        let said = RehearsalText.quoted(conversation.saidText)
        opening += said.isEmpty ? " you said nothing, and I answer all the same." : " you said “\(said)”."
        if let cut = conversation.cutAnswer {
            opening += " Before that I was cut off at “\(RehearsalText.quoted(cut))”, and I remember it."
        }
        self.init(
            opening: opening.split(separator: " ").map { " " + $0 }, order: RehearsalSentenceOrder(seed: seed),
            tokenCount: directives.tokens ?? Self.defaultTokenCount(seed))
        dropLeadingSpace()
    }

    /// - Parameter opening: tokens to begin with, as far as they fit the length.
    private init(opening: [String], order: RehearsalSentenceOrder, tokenCount: Int, endingSet: Int = 0) {
        var tokens = opening
        if tokens.count >= tokenCount {
            tokens.removeSubrange(tokenCount...)
            if let last = tokens.popLast() { tokens.append(RehearsalText.withFullStop(last)) }
        }
        self.tokenCount = tokenCount
        self.endingSet = endingSet
        sentence = RehearsalSentence(tokens: tokens)
        body = .sentences(order)
        if tokens.isEmpty { advance() }
    }

    // MARK: Tokens

    /// Passes the UTF-8 of the next token to `body`; nil at the end.
    @inline(__always)
    mutating func next<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard takenTokenCount < tokenCount else { return nil }
        if nextToken >= sentence.tokenCount { advance() }
        guard nextToken < sentence.tokenCount else {
            tokenCount = takenTokenCount
            return nil
        }
        let range = sentence.range(of: nextToken)
        nextToken += 1
        takenTokenCount += 1
        return sentence.bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    private mutating func advance() {
        nextToken = 0
        switch body {
        case .repetition:
            if takenTokenCount == 1 { sentence = RehearsalSentence(words: [sentence.wholeText]) }
        case .sentences(var order):
            let left = tokenCount - takenTokenCount
            guard left > 0 else { return }
            if left <= RehearsalSentence.maxTokenCount {
                sentence = RehearsalSentence.endings[endingSet][left - 1]
            } else {
                // Releases the second reference, so that the order is mutated in place.
                body = .repetition
                sentence = order.next()
                body = .sentences(order)
            }
        }
    }

    /// The rest of the text, without advancing.
    func remainingText() -> String {
        var script = self
        var bytes: [UInt8] = []
        while script.next({ bytes.append(contentsOf: $0) }) != nil {}
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func dropLeadingSpace() {
        var tokens = sentence.tokens
        if let first = tokens.first { tokens[0] = String(first.drop { $0 == " " }) }
        sentence = RehearsalSentence(tokens: tokens)
    }

    private static func defaultTokenCount(_ seed: UInt64) -> Int {
        let span = UInt64(defaultTokenCounts.count)
        return defaultTokenCounts.lowerBound + Int(((seed ^ seed >> 32) &* 0x9E37_79B9_7F4A_7C15 >> 33) % span)
    }
}

// MARK: - Continuation

extension RehearsalScript {
    /// Continues a text from where it stops: the rest of its sentence, a word about the remark, then sentences that have not
    /// occurred yet.
    private init(
        continuing continuation: RehearsalConversation.Continuation, _ directives: RehearsalDirectives, seed: UInt64,
        depth: Int
    ) {
        var opening: [String] = []
        var left = 0
        var order: RehearsalSentenceOrder
        var endingSet = 1
        if let script = Self.script(thatSaid: continuation, directives, depth), let itsOrder = script.order {
            left = script.tokenCount - script.takenTokenCount
            opening = Array(script.sentence.tokens[script.nextToken...])
            order = itsOrder
            endingSet = 1 - script.endingSet
        } else {
            order = RehearsalSentenceOrder(seed: seed, excludingThoseIn: continuation.text)
            if RehearsalText.isCut(continuation.text) { opening = [" …"] }
        }
        let remark = RehearsalText.quoted(continuation.remark)
        if !remark.isEmpty {
            opening += "With “\(remark)” in mind I go on.".split(separator: " ").map { " " + $0 }
        }
        let wanted = directives.tokens ?? max(left, opening.count + Self.minContinuationTokenCount)
        self.init(opening: opening, order: order, tokenCount: wanted, endingSet: endingSet)
        if continuation.text.last?.isWhitespace ?? true { dropLeadingSpace() }
    }

    /// The script that generated the given text, advanced to its end.
    private static func script(
        thatSaid continuation: RehearsalConversation.Continuation, _ directives: RehearsalDirectives, _ depth: Int
    ) -> RehearsalScript? {
        let before = continuation.before
        guard depth < maxContinuationDepth,
            var theirs = try? RehearsalDirectives(prompt: before.prompt, object: nil)
        else { return nil }
        if theirs.seed == nil { theirs.seed = directives.seed }
        var script = RehearsalScript(answering: before, theirs, depth: depth + 1)
        if script.skip(continuation.text) { return script }
        guard before.continuation == nil, let earlier = before.possibleContinuation else { return nil }
        script = RehearsalScript(continuing: earlier, theirs, seed: theirs.seed ?? before.hash, depth: depth + 1)
        return script.skip(continuation.text) ? script : nil
    }

    private var order: RehearsalSentenceOrder? {
        if case .sentences(let order) = body { order } else { nil }
    }

    /// Skips the tokens of a text generated by this script. The rest of a token that was cut in the middle remains.
    /// - Returns: false if the text was not generated by this script.
    private mutating func skip(_ text: String) -> Bool {
        var left = Array(text.utf8)[...]
        while !left.isEmpty {
            if nextToken >= sentence.tokenCount { advance() }
            let position = nextToken
            let token = next { Array($0) } ?? []
            guard !token.isEmpty, left.starts(with: token.prefix(left.count)) else { return false }
            if token.count > left.count {
                var tokens = sentence.tokens
                tokens[position] = String(decoding: token[left.count...], as: UTF8.self)
                sentence = RehearsalSentence(tokens: tokens)
                nextToken = position
                takenTokenCount -= 1
                return true
            }
            left = left.dropFirst(token.count)
        }
        return true
    }
}

extension RehearsalSentence {
    fileprivate var tokens: [String] {
        (0..<tokenCount).map { String(decoding: bytes[range(of: $0)], as: UTF8.self) }
    }

    fileprivate var wholeText: String { String(decoding: bytes, as: UTF8.self) }
}
