import Testing

@testable import interject

/// What a person sees while text streams and a line is being typed.
@Suite struct ChatScreenTests {
    @Test func aPastedLineEndStaysOnTheInputRow() {
        var screen = ChatScreen(columns: 80)
        let shown = screen.setInput(Array("a\nb\tc"), cursor: 5)
        #expect(shown.hasSuffix("> a\u{23CE}b c"))
    }

    private func picture(columns: Int = 20, _ steps: (inout ChatScreen, (String) -> Void) -> Void) -> TerminalModel {
        var terminal = TerminalModel(columns: columns)
        var screen = ChatScreen(columns: columns)
        terminal.write(screen.start())
        steps(&screen) { terminal.write($0) }
        return terminal
    }

    @Test func textStreamsAboveTheInput() {
        let terminal = picture { screen, write in
            write(screen.setInput(Array("wai"), cursor: 3))
            for token in ["One", " two", " three"] { write(screen.show(.text(token))) }
        }
        #expect(terminal.lines == ["One two three", "> wai"])
        #expect(terminal.row == 1 && terminal.column == 5)
    }

    @Test func typingInTheMiddleOfAnAnswerTearsNothing() {
        let terminal = picture { screen, write in
            var line = ""
            for (token, key) in zip(["One", " two", " three", " four", " five", " six"], "abcdef") {
                write(screen.show(.text(token)))
                line.append(key)
                write(screen.setInput(Array(line), cursor: line.count))
            }
        }
        #expect(terminal.lines == ["One two three four", "five six", "> abcdef"])
    }

    @Test func rowsBreakAtBlanksAndLongWordsAnywhere() {
        let terminal = picture(columns: 10) { screen, write in write(screen.show(.text("ab cdefgh ijklmnopqrstuvwxyz"))) }
        #expect(terminal.lines == ["ab cdefgh", "ijklmnopq", "rstuvwxyz", "> "].map { $0 == "> " ? ">" : $0 })
    }

    @Test func anAnswerAndANoteStandOnLinesOfTheirOwn() {
        let terminal = picture(columns: 40) { screen, write in
            write(screen.show(.input(name: "Ada", text: "Hello")))
            write(screen.show(.text("Hi the")))
            write(screen.show(.note("[cut: kept 2 tokens]")))
            write(screen.show(.text("Next\n\nline")))
            write(screen.show(.endOfAnswer))
        }
        #expect(terminal.lines == ["Ada> Hello", "Hi the", "[cut: kept 2 tokens]", "Next", "", "line", ">"])
    }

    @Test func aLineLongerThanTheRowShowsThePlaceOfTheCursor() {
        let line = Array("abcdefghijklmnopqrstuvwxyz")
        let terminal = picture { screen, write in write(screen.setInput(line, cursor: 26)) }
        #expect(terminal.lines[0].hasSuffix("xyz") && terminal.lines.count == 1)
        let atStart = picture { screen, write in write(screen.setInput(line, cursor: 0)) }
        #expect(atStart.lines[0].hasPrefix("> abc") && atStart.column == 2)
    }

    @Test func wideCharactersTakeTwoColumns() {
        let terminal = picture(columns: 10) { screen, write in
            write(screen.show(.text("日本語日本語")))
            write(screen.setInput(Array("日本"), cursor: 1))
        }
        #expect(terminal.lines == ["日本語日", "本語", "> 日本"])
        #expect(terminal.column == 4)
    }

    @Test func aModelCannotSteerTheTerminal() {
        let terminal = picture(columns: 60) { screen, write in
            write(screen.show(.text("a\u{1B}[2J\u{1B}]0;title\u{7}b\r\u{9B}Hc\u{202E}")))
            write(screen.show(.input(name: "\u{1B}c", text: "x")))
        }
        #expect(terminal.lines == ["a[2J]0;titlebHc", "c> x", ">"])
    }

    @Test func withoutInputOnlyTheTextIsThere() {
        var terminal = TerminalModel(columns: 20)
        var screen = ChatScreen(columns: 20)
        terminal.write(screen.finish())
        for token in ["One", " two", "\n", "three"] { terminal.write(screen.show(.text(token))) }
        #expect(terminal.lines == ["One two", "three"])
    }

    /// Whatever comes in whatever order: the input is the last row and whole, and the text is all there.
    @Test func nothingIsLostWhateverTheOrder() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix64(state: seed)
        for _ in 0..<200 {
            let columns = Int(random.next() % 40) + 12
            var words: [String] = []
            var input: [Character] = []
            let terminal = picture(columns: columns) { screen, write in
                for number in 0..<Int(random.next() % 60) {
                    if random.next() % 3 == 0 {
                        if input.count < columns - 5 { input.append("x") }
                        write(screen.setInput(input, cursor: input.count))
                    } else {
                        words.append("w\(number)")
                        write(screen.show(.text(" w\(number)")))
                    }
                }
            }
            let lines = terminal.lines
            #expect(lines.last == (input.isEmpty ? ">" : "> " + String(input)), "seed \(seed)")
            let shown = lines.dropLast().flatMap { $0.split(separator: " ").map(String.init) }
            #expect(shown == words, "seed \(seed), \(columns) columns")
        }
    }
}
