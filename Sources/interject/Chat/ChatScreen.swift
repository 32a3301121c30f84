/// The screen of a chat in a terminal: text streams above, while the input row below it stays intact. No I/O: every call returns
/// the bytes to write.
///
/// Only the unfinished last row of text and the input row are ever redrawn; the rows above belong to the terminal's scrollback.
struct ChatScreen {
    /// Columns of the terminal.
    var columns: Int
    /// Whether the terminal shows colours.
    var isStyled = true

    private enum Style: String {
        case plain = ""
        case dim = "2"
        case bold = "1"
        case red = "31"
    }

    /// The unfinished row.
    private var row = ""
    private var rowColumns = 0
    private var style = Style.plain
    /// Whether the unfinished row is on the screen, above the input row.
    private var isRowShown = false
    private var prompt = "> "
    private var input: [Character] = []
    private var cursor = 0
    private var isInputShown = true

    init(columns: Int) { self.columns = max(10, columns) }

    /// Sets the contents of the input row.
    mutating func setInput(_ characters: [Character], cursor: Int) -> String {
        input = characters.map(Self.shown)
        self.cursor = cursor
        return isInputShown ? "\r\u{1B}[K" + inputRow : ""
    }

    /// Replaces characters that would leave the row: pasted text has line feeds and tabs.
    private static func shown(_ character: Character) -> Character {
        switch character {
        case "\n", "\r\n": "\u{23CE}"
        case "\t": " "
        default: character
        }
    }

    /// Draws the initial screen.
    mutating func start() -> String { inputRow }

    /// Erases the input row, at the end.
    mutating func finish() -> String {
        isInputShown = false
        return draw(endingRow: rowColumns > 0)
    }

    /// Redraws the unfinished row and the input row, after a resize or Ctrl-L.
    mutating func redraw() -> String { draw(endingRow: false) }

    mutating func show(_ part: Transcript.Part) -> String {
        switch part {
        case .text(let text): return add(text, .plain, endingRow: false)
        case .endOfAnswer: return draw(endingRow: rowColumns > 0)
        case .input(let name, let text): return add(name.map { "\($0)> \(text)" } ?? "> \(text)", .bold, endingRow: true)
        case .note(let text): return add(text, .dim, endingRow: true)
        case .failure(let text): return add(text, .red, endingRow: true)
        }
    }

    private mutating func add(_ text: String, _ style: Style, endingRow: Bool) -> String {
        var output = eraseShown()
        if style != self.style, rowColumns > 0 { output += endRow() }
        self.style = style
        for character in TerminalText.harmless(text) {
            if character == "\n" || character == "\r\n" {
                output += endRow()
                continue
            }
            let width = TerminalText.columns(character)
            if rowColumns + width > columns - 1 { output += wrap() }
            // A wrapped row does not begin with the space at which the text was broken.
            if rowColumns == 0, character == " ", style == .plain, hasWrapped { continue }
            hasWrapped = false
            row.append(character)
            rowColumns += width
        }
        if endingRow { output += endRow() }
        return output + shown()
    }

    private var hasWrapped = false

    /// Breaks the row at its last space, and moves the rest to the next row.
    private mutating func wrap() -> String {
        var rest = ""
        if let blank = row.lastIndex(of: " "), row.distance(from: blank, to: row.endIndex) < columns / 2 {
            rest = String(row[row.index(after: blank)...])
            row = String(row[..<blank])
        }
        let output = endRow()
        hasWrapped = true
        row = rest
        rowColumns = TerminalText.columns(rest)
        if !rest.isEmpty { hasWrapped = false }
        return output
    }

    /// Completes the row, which then belongs to the scrollback.
    private mutating func endRow() -> String {
        let output = styled(row) + "\r\n"
        row = ""
        rowColumns = 0
        hasWrapped = false
        return output
    }

    private mutating func draw(endingRow: Bool) -> String {
        var output = eraseShown()
        if endingRow { output += endRow() }
        return output + shown()
    }

    /// Moves to the start of the unfinished row and erases everything from there.
    private mutating func eraseShown() -> String {
        let up = isRowShown ? "\u{1B}[A" : ""
        isRowShown = false
        return "\r\(up)\u{1B}[J"
    }

    private mutating func shown() -> String {
        guard isInputShown else { return styled(row) }
        isRowShown = !row.isEmpty
        return (isRowShown ? styled(row) + "\r\n" : "") + inputRow
    }

    private func styled(_ text: String) -> String {
        style == .plain || text.isEmpty || !isStyled ? text : "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m"
    }

    /// The input on one row: for a long line, the part around the cursor.
    private var inputRow: String {
        let room = max(4, columns - 1 - prompt.count)
        var start = cursor
        var width = 0
        // As much as fits before the cursor, except for the column of the cursor itself.
        while start > 0, width + TerminalText.columns(input[start - 1]) < room {
            start -= 1
            width += TerminalText.columns(input[start])
        }
        var end = cursor
        var after = 0
        while end < input.count, width + after + TerminalText.columns(input[end]) <= room {
            after += TerminalText.columns(input[end])
            end += 1
        }
        let back = after > 0 ? "\u{1B}[\(after)D" : ""
        return prompt + String(input[start..<end]) + back
    }
}
