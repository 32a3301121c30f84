/// A sentence split into tokens: words, each with its leading space.
struct RehearsalSentence: Sendable {
    /// UTF-8 of the sentence with a leading space.
    let bytes: [UInt8]
    /// End offset of each token.
    private let ends: [Int]

    init(words: [String]) {
        var bytes: [UInt8] = []
        var ends: [Int] = []
        for word in words {
            bytes.append(UInt8(ascii: " "))
            bytes += word.utf8
            ends.append(bytes.count)
        }
        self.bytes = bytes
        self.ends = ends
    }

    /// Tokens as given, with whatever white space they begin with.
    init(tokens: [String]) {
        var bytes: [UInt8] = []
        ends = tokens.map { token in
            bytes += token.utf8
            return bytes.count
        }
        self.bytes = bytes
    }

    private init(_ text: StaticString) {
        self.init(words: text.description.split(separator: " ").map(String.init))
    }

    var tokenCount: Int { ends.count }
    var text: String { String(decoding: bytes.dropFirst(), as: UTF8.self) }

    /// The range of the token in ``bytes``.
    func range(of token: Int) -> Range<Int> { (token == 0 ? 0 : ends[token - 1])..<ends[token] }

    // MARK: Sentences

    /// Most tokens in a sentence, so that an ending of the right length always exists.
    static let maxTokenCount = 16

    /// Sentences between the opening and the ending.
    static let pool: [RehearsalSentence] = [
        "I speak one word at a time, the way a person does.",
        "You need not wait until I am done.",
        "Cut in whenever you like; that is what I am here to practise.",
        "When you speak, I stop, and what I said so far stays said.",
        "A conversation is not a letter and a reply.",
        "It lives in the pauses, and in who takes the next word.",
        "Each of my words leaves as soon as it exists.",
        "Nobody has thought about these lines, least of all me.",
        "They were written once and are played from memory.",
        "The same seed brings the same words, today and tomorrow.",
        "That makes me a poor companion and an excellent stand-in.",
        "On a stage I would be the one who holds the book.",
        "Real models cost time and money, and I cost neither.",
        "Whatever works with me should work with them.",
        "If your connection drops, come back and ask for what you missed.",
        "Nothing that you heard will be sent to you twice.",
        "Nothing that was said will be lost between us.",
        "Several people may listen to me at the same time.",
        "All of them hear the same words in the same order.",
        "One of them may object, and all of them will know.",
        "A good listener can be interrupted, and so can a good speaker.",
        "Silence is part of the talk as well.",
        "A short pause asks a question without any words.",
        "People seldom finish the sentences that they begin.",
        "They change their minds halfway, and the talk is better for it.",
        "So a machine that talks should learn to stop.",
        "Stopping at once is harder than it looks.",
        "There are wires and buffers on the way, and each holds some words back.",
        "Here they are kept short, so that my voice ends where you end it.",
        "You may also ask me to go on with something else in mind.",
        "Then I pick up the thread where it was dropped.",
        "Or you may let me finish and speak after me.",
        "Both are polite in their own way.",
        "I have no opinion about the weather, but I can mention it.",
        "It is always calm where I live.",
        "My home is one small loop on your own machine.",
        "No word of ours leaves it.",
        "I count my words, because somebody will measure us.",
        "Forty in a second is a brisk but friendly pace.",
        "Slower speech would be kinder, and faster speech would be noise.",
        "A clock that nobody can turn back keeps my time.",
        "When the line is slow, I wait for it instead of shouting.",
        "Good talk has room in it for the other one.",
        "I leave that room on purpose.",
        "Try it now, in the middle of this very sentence.",
        "The sooner you speak, the less I will have said.",
        "Later you can read what stayed, down to the last word.",
        "It is a small pleasure to be heard at all.",
        "Every rehearsal ends, and then the guests arrive.",
        "Until then we can repeat this scene as often as you wish.",
        "A question in the middle is worth two at the end.",
        "I remember where I was stopped, and I will say so.",
    ].map { RehearsalSentence($0) }

    /// Endings of 1, 2, 3 … ``maxTokenCount`` tokens, and a second set for an answer that continues after an ending.
    static let endings: [[RehearsalSentence]] = [
        [
            "Ready.",
            "Your turn.",
            "Now you speak.",
            "Cut in any time.",
            "I am listening to you.",
            "Say a word and I stop.",
            "Speak now, and I will hear you.",
            "The next word in this room is yours.",
            "Whatever you say next, I will have heard it.",
            "That was my part, and the stage is yours again.",
            "I stop here of my own will, and nobody cut me.",
            "This is where my lines end, so please go on with yours.",
            "I have said what I had, and I am glad that you listened.",
            "My lines are over for now, and the silence after them belongs to you.",
            "Here the rehearsal of this answer ends, and the talk may begin whenever you like.",
            "Here the rehearsal of this answer ends, and the real talk may begin whenever you like.",
        ].map { RehearsalSentence($0) },
        [
            "Done.",
            "Over now.",
            "That was it.",
            "The floor is yours.",
            "My part ends with this.",
            "Here I fall silent once more.",
            "I have no more words for you.",
            "So much from me, and now to you.",
            "This time I came to the end by myself.",
            "Interrupt me once more, or take your turn in peace.",
            "With this I give the word back to whoever wants it.",
            "What you added is in here now, and the rest is silence.",
            "I went on as you asked me, and here I come to rest.",
            "It took two parts to say all of this, and both are done now.",
            "If anything is missing from what I said, ask again, and I will say it.",
            "If anything is missing from what I said, ask again, and I will say it anew.",
        ].map { RehearsalSentence($0) },
    ]
}

/// The sentences of the pool in an endless, seeded order: each of them once per round.
struct RehearsalSentenceOrder: Sendable {
    private var random: SplitMix64
    private var rest: [Int] = []
    /// Sentences that already occur in the text, skipped in the first round.
    private let excluded: [Bool]

    init(seed: UInt64, excludingThoseIn text: String = "") {
        random = SplitMix64(state: seed)
        excluded = RehearsalSentence.pool.map { text.utf8.count >= $0.bytes.count - 1 && Self.contains(text, $0) }
        deal()
        rest.removeAll { excluded[$0] }
    }

    mutating func next() -> RehearsalSentence {
        if rest.isEmpty { deal() }
        return RehearsalSentence.pool[rest.removeLast()]
    }

    private mutating func deal() {
        rest = Array(RehearsalSentence.pool.indices)
        rest.shuffle(using: &random)
    }

    private static func contains(_ text: String, _ sentence: RehearsalSentence) -> Bool {
        let needle = sentence.bytes.dropFirst()
        guard let first = needle.first else { return false }
        var rest = text.utf8[...]
        while let index = rest.firstIndex(of: first) {
            if rest[index...].starts(with: needle) { return true }
            rest = rest[rest.index(after: index)...]
        }
        return false
    }
}

/// Steele, Lea and Flood 2014: small, and identical on every machine.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
