import ArgumentParser
import Glibc
import HTTP
import JSON
import Logging
import Network
import Sessions

/// `interject chat`
struct ChatCommand: AsyncParsableCommand {
    static let defaultURL = "http://127.0.0.1:8080"

    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Chats with a model in the terminal, and interrupts it.",
        discussion: """
            Type while the model talks: Enter interrupts with your line, Enter alone (or Ctrl-C) stops it, Ctrl-D quits, /help lists \
            the commands. \
            If stdin or stdout is not a terminal, each line of stdin is an input, sent when the previous answer \
            is complete, or after --cut-in-after tokens of it. Answers go to stdout, notes to stderr; the exit status is 1 \
            if an answer failed.
            """)

    @Option(help: ArgumentHelp("The server: http://HOST:PORT, https://HOST:PORT or unix:PATH.", valueName: "URL")) var url = Self
        .defaultURL
    @Option(help: ArgumentHelp("For https: trusts the authorities in this PEM file instead of the system's.", valueName: "FILE"))
    var caFile: String?
    @Option(help: ArgumentHelp("Your key; env:NAME and file:PATH read it from there.", valueName: "SECRET")) var apiKey: String?
    @Option(help: ArgumentHelp("The model; by default the server's first.", valueName: "MODEL")) var model: String?
    @Option(help: ArgumentHelp("Joins this session instead of creating one.", valueName: "ID")) var session: String?
    @Option(help: ArgumentHelp("Your name, as shown to others in the session; by default your login name.", valueName: "NAME"))
    var name: String?
    @Option(help: ArgumentHelp("Effect of Enter while the model talks: \(ChatLine.modes).", valueName: "MODE"))
    var mode = InterjectionMode.interrupt.rawValue
    @Option(help: ArgumentHelp("Watches this session over server-sent events.", valueName: "ID")) var watch: String?
    @Option(help: ArgumentHelp("Without a terminal: sends the next line after this many tokens.", valueName: "TOKENS"))
    var cutInAfter: String?

    func run() async throws {
        let caFile = caFile
        let server = try read(caFile == nil ? "url" : "ca-file", url) { (text) throws(InvalidValue) in
            try ServerURL.read(text).secured(authorities: caFile)
        }
        let mode: InterjectionMode = try read("mode", mode, SettingValue.choice)
        let key = try apiKey.map { (key) throws(Failure) in try read("api-key", key, Self.key) }
        let cutInAfter = try cutInAfter.map { (text) throws(Failure) in
            try read("cut-in-after", text, SettingValue.count(0...1_000_000_000))
        }
        for (flag, id) in [("session", session), ("watch", watch)] {
            if let id { _ = try read(flag, id, Self.identifier) }
        }
        if session != nil, watch != nil { throw Failure.usage("--session and --watch: give only one of them") }

        let quiet = Logger(label: "interject") { _ in StandardErrorLog(logLevel: .critical, format: .text) }
        let loop = try EventLoopGroup(count: 1, logger: quiet).loops[0]
        let (ends, continuation) = AsyncStream.makeStream(of: Failure?.self)
        let end: @Sendable (Failure?) -> Void = { continuation.yield($0) }
        let run: ChatRun
        if let watch {
            run = ChatRun(.watching, SessionTarget(server: server, key: key, sessionID: watch), loop, end)
        } else {
            let target = try await sessionTarget(server, key, mode, loop)
            let kind = RawTerminal.isInteractive ? ChatRun.Kind.interactive : .scripted(cutInAfter: cutInAfter)
            run = ChatRun(kind, target, loop, end)
        }
        let restore = run.start(name: name ?? getenv("USER").map { String(cString: $0) } ?? "guest", mode: mode)
        Task {
            let signal = await Signals.first()
            continuation.yield(signal == SIGINT ? nil : Failure(message: "stopped", exitStatus: 128 + signal))
        }
        for await failure in ends {
            restore()
            if let failure { throw failure }
            return
        }
    }

    /// The session given with --session, or a new one.
    private func sessionTarget(
        _ server: ServerURL, _ key: String?, _ mode: InterjectionMode, _ loop: EventLoop
    ) async throws(Failure) -> SessionTarget {
        if let session { return SessionTarget(server: server, key: key, sessionID: session) }
        return try await NewSession(server: server, key: key, mode: mode, loop: loop).make(model: model)
    }

    private func read<Value>(
        _ flag: String, _ text: String, _ read: (String) throws(InvalidValue) -> Value
    ) throws(Failure) -> Value {
        do {
            return try read(text)
        } catch {
            throw .usage("\(SettingSource.flag(flag)): \(error.problem)")
        }
    }

    private static func key(_ text: String) throws(InvalidValue) -> String {
        let key = try SettingValue.secret(text)
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw InvalidValue("a key may contain only visible ASCII characters")
        }
        return key
    }

    private static func identifier(_ text: String) throws(InvalidValue) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        guard isPlain, !text.isEmpty else { throw InvalidValue("\"\(text)\" is not a session's identifier, such as sess_…") }
        return text
    }
}
