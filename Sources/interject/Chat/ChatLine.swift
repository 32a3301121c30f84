import Sessions

/// A typed line: a message or a command.
enum ChatLine: Equatable {
    case say(String, mode: InterjectionMode?)
    case cancel
    /// Changes the mode; nil shows it.
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
            self = mode.map { .mode($0) } ?? .wrong("there is no mode \(rest); the modes are \(Self.modes)")
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
        Type at any time. While the model talks, Enter interrupts: with a line, as the mode says; alone, it only stops the answer.
        /interrupt TEXT  stop the answer, keep the text so far, and answer TEXT
        /steer TEXT      continue the same answer, with TEXT in mind
        /queue TEXT      answer TEXT afterwards
        /rollback TEXT   stop the answer, forget it, and answer TEXT
        /mode [MODE]     set what Enter does: \(modes)
        /cancel          stop the answer (Enter alone, Ctrl-C)
        /state           show the state of the session
        /session         show how others can join or watch
        /quit            leave (Ctrl-D)
        """
}
