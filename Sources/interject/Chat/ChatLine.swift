import Sessions

/// A line that a person typed: something to say, or a command.
enum ChatLine: Equatable {
    case say(String, mode: InterjectionMode?)
    case cancel
    /// nil: tell which one it is.
    case mode(InterjectionMode?)
    case state
    case session
    case help
    case quit
    case wrong(String)
    case nothing

    init(_ line: String) {
        let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
        guard let first = words.first else {
            self = .nothing
            return
        }
        guard first.hasPrefix("/") else {
            self = .say(line, mode: nil)
            return
        }
        let rest = words.count > 1 ? String(words[1].drop(while: \.isWhitespace)) : ""
        switch first {
        case "/cancel": self = .cancel
        case "/state": self = .state
        case "/session": self = .session
        case "/help", "/?": self = .help
        case "/quit", "/exit": self = .quit
        case "/mode" where rest.isEmpty: self = .mode(nil)
        case "/mode":
            let mode = InterjectionMode(rawValue: rest)
            self = mode.map { .mode($0) } ?? .wrong("there is no mode \(rest): \(Self.modes)")
        default:
            guard let mode = InterjectionMode(rawValue: String(first.dropFirst())) else {
                self = .wrong("there is no command \(first): /help lists them")
                return
            }
            self = rest.isEmpty ? .wrong("\(first) needs a text") : .say(rest, mode: mode)
        }
    }

    static let modes = InterjectionMode.allCases.map(\.rawValue).joined(separator: ", ")

    static let helpText = """
        Type at any time. Enter while the model talks cuts in: with a line, by the mode that is set; alone, it stops it.
        /interrupt TEXT  cut it off, keep what it said, answer TEXT
        /steer TEXT      go on with the same text, with TEXT in mind
        /queue TEXT      answer TEXT afterwards
        /rollback TEXT   cut it off, forget what it said, answer TEXT
        /mode [MODE]     what Enter does: \(modes)
        /cancel          stop it (Enter alone, Ctrl-C)
        /state           what the session holds
        /session         how others join or watch
        /quit            leave (Ctrl-D)
        """
}
