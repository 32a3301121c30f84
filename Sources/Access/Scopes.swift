/// What a key may do. A scope without `:read` includes the one with it.
public struct Scopes: OptionSet, Sendable, Hashable {
    /// The scopes as bits.
    public let rawValue: UInt32

    /// Scopes from their bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reading responses.
    public static let responsesRead = Scopes(rawValue: 1 << 0)
    /// Creating and changing responses.
    public static let responses: Scopes = [responsesRead, Scopes(rawValue: 1 << 1)]
    /// Chat completions.
    public static let chat = Scopes(rawValue: 1 << 2)
    /// Reading sessions.
    public static let sessionsRead = Scopes(rawValue: 1 << 3)
    /// Creating and changing sessions.
    public static let sessions: Scopes = [sessionsRead, Scopes(rawValue: 1 << 4)]
    /// Realtime sessions.
    public static let realtime = Scopes(rawValue: 1 << 5)
    /// Reading files.
    public static let filesRead = Scopes(rawValue: 1 << 6)
    /// Uploading and deleting files.
    public static let files: Scopes = [filesRead, Scopes(rawValue: 1 << 7)]
    /// Reading batches.
    public static let batchesRead = Scopes(rawValue: 1 << 8)
    /// Creating and cancelling batches.
    public static let batches: Scopes = [batchesRead, Scopes(rawValue: 1 << 9)]
    /// Reading webhooks.
    public static let webhooksRead = Scopes(rawValue: 1 << 10)
    /// Creating and changing webhooks.
    public static let webhooks: Scopes = [webhooksRead, Scopes(rawValue: 1 << 11)]
    /// Reading the caller's usage.
    public static let usage = Scopes(rawValue: 1 << 12)
    /// Answering the caller's responses whose model is a runner.
    public static let runner = Scopes(rawValue: 1 << 13)
    /// Answering those of all principals.
    public static let runnerOfAll: Scopes = [runner, Scopes(rawValue: 1 << 30)]
    /// Everything with the caller's own objects.
    public static let all: Scopes = [responses, chat, sessions, realtime, files, batches, webhooks, usage, runner]
    /// All of that, the usage of all principals, and answering for all.
    public static let admin: Scopes = [all, runnerOfAll, Scopes(rawValue: 1 << 31)]

    private static let words: [(name: String, scopes: Scopes)] = [
        ("admin", admin), ("all", all), ("responses", responses), ("responses:read", responsesRead), ("chat", chat),
        ("sessions", sessions), ("sessions:read", sessionsRead), ("realtime", realtime), ("files", files),
        ("files:read", filesRead), ("batches", batches), ("batches:read", batchesRead), ("webhooks", webhooks),
        ("webhooks:read", webhooksRead), ("usage", usage), ("runner:all", runnerOfAll), ("runner", runner),
    ]

    /// The names of all scopes, for help texts.
    public static var names: [String] { words.map(\.name) }

    /// Parses scope names; nil if one is unknown.
    public init?(words names: some Sequence<String>) {
        self = []
        for name in names {
            guard let word = Self.words.first(where: { $0.name == name }) else { return nil }
            insert(word.scopes)
        }
    }

    /// Parses scope names separated by spaces or commas; nil if one is unknown.
    public init?(text: String) {
        self.init(words: text.split { $0 == " " || $0 == "," }.map(String.init))
    }

    /// The fewest names for these scopes.
    public var names: [String] {
        var rest = self
        var names: [String] = []
        for word in Self.words where contains(word.scopes) && !rest.isDisjoint(with: word.scopes) {
            names.append(word.name)
            rest.subtract(word.scopes)
        }
        return names
    }

    /// The names, separated by spaces.
    public var text: String { names.joined(separator: " ") }
}
