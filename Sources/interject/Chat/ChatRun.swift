import Glibc
import Network
import Sessions

/// Starts one of the three kinds of chat on its loop, and passes it the typed input.
struct ChatRun {
    enum Kind {
        case interactive
        case scripted(cutInAfter: Int?)
        case watching
    }

    private let kind: Kind
    private let target: SessionTarget
    private let loop: EventLoop
    private let end: @Sendable (Failure?) -> Void

    init(_ kind: Kind, _ target: SessionTarget, _ loop: EventLoop, _ end: @escaping @Sendable (Failure?) -> Void) {
        self.kind = kind
        self.target = target
        self.loop = loop
        self.end = end
    }

    /// - Returns: a closure that restores the terminal at the end.
    func start(name: String, mode: InterjectionMode) -> () -> Void {
        switch kind {
        case .interactive: return startInteractive(name, mode)
        case .scripted(let cutInAfter):
            startScripted(name, mode, cutInAfter)
            return {}
        case .watching:
            loop.execute { [target, loop, end] in
                let isTerminal = isatty(STDOUT_FILENO) == 1
                let output: any ChatOutput = isTerminal ? TerminalOutput(showsInput: false) : PlainOutput(showsInputs: true)
                let chat = WatchingChat(target, output: output, on: loop, end: end)
                chat.start()
            }
            return { if isatty(STDOUT_FILENO) == 1 { Standard.output("\r\n") } }
        }
    }

    private func startInteractive(_ name: String, _ mode: InterjectionMode) -> () -> Void {
        guard let terminal = RawTerminal() else { return {} }
        loop.execute { [target, loop, end] in
            let program = CommandLine.arguments.first ?? "interject"
            let chat = InteractiveChat(target, name: name, mode: mode, program: program, on: loop, end: end)
            let bound = LoopBound(chat, on: loop)
            chat.start()
            Threads.start {
                StandardInput.forEachPiece { bytes in bound.run { $0.typed(bytes) } }
                bound.run { $0.leave(nil) }
            }
        }
        return terminal.restore
    }

    private func startScripted(_ name: String, _ mode: InterjectionMode, _ cutInAfter: Int?) {
        loop.execute { [target, loop, end] in
            let chat = ScriptedChat(target, name: name, mode: mode, cutInAfter: cutInAfter, on: loop, end: end)
            let bound = LoopBound(chat, on: loop)
            chat.start()
            Threads.start {
                StandardInput.forEachLine { line in bound.run { $0.read(line) } }
                bound.run { $0.read(nil) }
            }
        }
    }
}
