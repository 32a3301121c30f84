import HTTP
import JSON
import Network
import Sessions

/// A chat with a user at a terminal. Loop-confined.
final class InteractiveChat: SessionFollower {
    private let loop: EventLoop
    private let target: SessionTarget
    private let name: String
    private var mode: InterjectionMode
    private let output: TerminalOutput
    private let program: String
    private let end: @Sendable (Failure?) -> Void
    private var link: SessionLink?
    private var transcript: Transcript
    private var editor = LineEditor()
    private var wasInterruptedWhenIdle = false
    private var isLost = false

    init(
        _ target: SessionTarget, name: String, mode: InterjectionMode, program: String, on loop: EventLoop,
        end: @escaping @Sendable (Failure?) -> Void
    ) {
        self.target = target
        self.name = name
        transcript = Transcript(ownName: name)
        self.mode = mode
        self.program = program
        self.loop = loop
        self.end = end
        output = TerminalOutput(showsInput: true)
    }

    func start() {
        let keys = "Enter cuts in (\(mode.rawValue)): with a line of yours, or alone to stop it; /help"
        output.show(.note("[\(target.server.text), session \(target.sessionID). \(keys)]"))
        let link = SessionLink(target, name: name, patience: .seconds(86_400), on: loop, follower: self)
        self.link = link
        link.start()
    }

    // MARK: Input

    func typed(_ bytes: [UInt8]) {
        // Quits after two in a row with nothing typed in between.
        if bytes.contains(where: { $0 != 0x03 }) { wasInterruptedWhenIdle = false }
        for action in editor.receive(bytes) {
            switch action {
            case .submitted(let line):
                output.setInput(editor)
                obey(ChatLine(line))
            case .interrupted: interrupted()
            case .ended: quit()
            case .redraw: output.clear()
            }
        }
        output.setInput(editor)
    }

    private func interrupted() {
        if transcript.isAnswering {
            link?.cancel()
        } else if !editor.characters.isEmpty {
            editor.clear()
        } else if wasInterruptedWhenIdle {
            quit()
        } else {
            wasInterruptedWhenIdle = true
            output.show(.note("[nothing is running; Ctrl-C again ends]"))
        }
    }

    private func obey(_ line: ChatLine) {
        switch line {
        // Enter on an empty line only stops the answer.
        case .nothing: if transcript.isAnswering { link?.cancel() }
        case .say(let text, let mode): say(text, mode ?? self.mode)
        case .cancel: link?.cancel()
        case .mode(let mode?):
            self.mode = mode
            output.show(.note("[Enter while the model talks: \(mode.rawValue)]"))
        case .mode(nil): output.show(.note("[mode \(mode.rawValue); the modes are \(ChatLine.modes)]"))
        case .session:
            let join = "\(program) chat --url \(target.server.text) --session \(target.sessionID)"
            output.show(.note("[join: \(join)]\n[watch: \(program) chat --url \(target.server.text) --watch \(target.sessionID)]"))
        case .state: showState()
        case .help: output.show(.note(ChatLine.helpText))
        case .quit: quit()
        case .wrong(let problem): output.show(.failure(problem))
        }
    }

    private func say(_ text: String, _ mode: InterjectionMode) {
        guard let link else { return }
        if !link.isJoined { output.show(.note("[not connected: sent as soon as the connection is back]")) }
        transcript.sent(clientEventID: link.say(text, mode: mode.rawValue), text: text)
    }

    private func showState() {
        let request = HTTPCall.Request(target: target.path, fields: target.fields)
        let bound = LoopBound(self, on: loop)
        let server = target.server
        Task {
            let result = await HTTPCall.answer(to: request, from: server, on: bound.loop)
            bound.run { $0.show(state: result) }
        }
    }

    private func show(state result: Result<HTTPFetch.Response, HTTPTransferError>) {
        switch result {
        case .success(let answer) where answer.status == 200: output.show(.note(Self.describe(answer.body)))
        case .success(let answer): output.show(.failure(target.refusal(status: answer.status, body: answer.body)))
        case .failure(let failure): output.show(.failure("\(failure)"))
        }
    }

    static func describe(_ body: [UInt8]) -> String {
        guard let state = try? JSONValue.parse(body) else { return "[the state is not JSON]" }
        let names = state["participants"]?.array?.compactMap { $0["name"]?.string } ?? []
        let parts = [
            state["status"]?.string ?? "?", "\(state["items"]?.array?.count ?? 0) items",
            "\(state["queued"]?.array?.count ?? 0) queued", "event \(state["last_sequence_number"]?.int ?? 0)",
            "model \(state["model"]?.string ?? "?")", "here: \(names.isEmpty ? "nobody" : names.joined(separator: ", "))",
        ]
        return "[\(parts.joined(separator: "; "))]"
    }

    private func quit() { leave(nil) }

    /// Ends the chat: erases the input row and lets the command finish.
    func leave(_ failure: Failure?) {
        link?.end()
        output.finish()
        end(failure)
    }

    // MARK: Events

    func received(_ event: SessionEvent, position: LogPosition?) {
        for part in transcript.receive(event, position: position) { output.show(part) }
    }

    func connected() { isLost = false }

    /// One note for each outage, however long: later output shows that the connection is back.
    func disconnected(_ reason: String, retryIn delay: Duration) {
        if !isLost { output.show(.note("[\(reason); reconnecting]")) }
        isLost = true
    }

    func gaveUp(_ reason: String) { leave(.runtime("\(target.server.text): \(reason)")) }
}
