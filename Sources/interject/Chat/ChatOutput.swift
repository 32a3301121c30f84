import Glibc

/// The display of a chat. Loop-confined.
protocol ChatOutput: AnyObject {
    func show(_ part: Transcript.Part)
}

/// A terminal with an input row.
final class TerminalOutput: ChatOutput {
    private var screen: ChatScreen

    init(showsInput: Bool) {
        screen = ChatScreen(columns: RawTerminal.columns)
        screen.isStyled = getenv("NO_COLOR") == nil
        if showsInput { Standard.output(screen.start()) } else { _ = screen.finish() }
    }

    func show(_ part: Transcript.Part) {
        screen.columns = max(10, RawTerminal.columns)
        Standard.output(screen.show(part))
    }

    func setInput(_ editor: LineEditor) {
        screen.columns = max(10, RawTerminal.columns)
        Standard.output(screen.setInput(editor.characters, cursor: editor.cursor))
    }

    func clear() { Standard.output("\u{1B}[H\u{1B}[2J" + screen.redraw()) }

    func finish() { Standard.output(screen.finish()) }
}

/// A pipe or a file: answers on stdout, each followed by a line feed; notes on stderr.
final class PlainOutput: ChatOutput {
    private let showsInputs: Bool
    private var isWithinLine = false

    /// - Parameter showsInputs: whether to show the participants' messages as well.
    init(showsInputs: Bool) { self.showsInputs = showsInputs }

    func show(_ part: Transcript.Part) {
        switch part {
        case .text(let text):
            if text.isEmpty { return }
            Standard.output(text)
            isWithinLine = !text.hasSuffix("\n")
        case .endOfAnswer: endLine()
        case .input(let name, let text):
            guard showsInputs else { return }
            endLine()
            Standard.output("\(name ?? "")> \(text)\n")
        case .note(let text): Standard.error("\(text)\n")
        case .failure(let text): Standard.error("interject: \(text)\n")
        }
    }

    private func endLine() {
        if isWithinLine { Standard.output("\n") }
        isWithinLine = false
    }
}
