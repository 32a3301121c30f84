/// What a key may do. A scope without `:read` includes the one with it.
public struct Scopes: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let responsesRead = Scopes(rawValue: 1 << 0)
    public static let responses: Scopes = [responsesRead, Scopes(rawValue: 1 << 1)]
    public static let chat = Scopes(rawValue: 1 << 2)
    public static let sessionsRead = Scopes(rawValue: 1 << 3)
    public static let sessions: Scopes = [sessionsRead, Scopes(rawValue: 1 << 4)]
    public static let realtime = Scopes(rawValue: 1 << 5)
    public static let filesRead = Scopes(rawValue: 1 << 6)
    public static let files: Scopes = [filesRead, Scopes(rawValue: 1 << 7)]
    public static let batchesRead = Scopes(rawValue: 1 << 8)
    public static let batches: Scopes = [batchesRead, Scopes(rawValue: 1 << 9)]
    public static let webhooksRead = Scopes(rawValue: 1 << 10)
    public static let webhooks: Scopes = [webhooksRead, Scopes(rawValue: 1 << 11)]
    public static let usage = Scopes(rawValue: 1 << 12)
    /// To answer one's own responses whose model is a runner.
    public static let runner = Scopes(rawValue: 1 << 13)
    /// To answer those of everybody.
    public static let runnerOfAll: Scopes = [runner, Scopes(rawValue: 1 << 30)]
    /// Everything of one's own.
    public static let all: Scopes = [responses, chat, sessions, realtime, files, batches, webhooks, usage, runner]
    /// All of that, the usage of everybody, and to answer for everybody.
    public static let admin: Scopes = [all, runnerOfAll, Scopes(rawValue: 1 << 31)]

    private static let words: [(name: String, scopes: Scopes)] = [
        ("admin", admin), ("all", all), ("responses", responses), ("responses:read", responsesRead), ("chat", chat),
        ("sessions", sessions), ("sessions:read", sessionsRead), ("realtime", realtime), ("files", files),
        ("files:read", filesRead), ("batches", batches), ("batches:read", batchesRead), ("webhooks", webhooks),
        ("webhooks:read", webhooksRead), ("usage", usage), ("runner:all", runnerOfAll), ("runner", runner),
    ]

    /// Every word, for help texts.
    public static var names: [String] { words.map(\.name) }

    /// Reads words.
    public init?(words names: some Sequence<String>) {
        self = []
        for name in names {
            guard let word = Self.words.first(where: { $0.name == name }) else { return nil }
            insert(word.scopes)
        }
    }

    /// Reads words with blanks or commas between them.
    public init?(text: String) {
        self.init(words: text.split { $0 == " " || $0 == "," }.map(String.init))
    }

    /// The fewest words that say the same.
    public var names: [String] {
        var rest = self
        var names: [String] = []
        for word in Self.words where contains(word.scopes) && !rest.isDisjoint(with: word.scopes) {
            names.append(word.name)
            rest.subtract(word.scopes)
        }
        return names
    }

    /// Blanks between words.
    public var text: String { names.joined(separator: " ") }
}
