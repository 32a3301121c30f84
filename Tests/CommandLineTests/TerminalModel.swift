@testable import interject

/// A terminal that understands what ``ChatScreen`` writes, so that tests see what a person would see.
struct TerminalModel {
    private(set) var rows: [[Character]] = [[]]
    private(set) var row = 0
    private(set) var column = 0
    let columns: Int

    init(columns: Int) { self.columns = columns }

    /// The rows as text, without blanks at their ends.
    var lines: [String] {
        rows.map { row in
            var text = String(row.filter { $0 != "\u{0}" })
            while text.last == " " { text.removeLast() }
            return text
        }
    }

    mutating func write(_ text: String) {
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch character {
            case "\r\n":
                column = 0
                newLine()
            case "\r": column = 0
            case "\n": newLine()
            case "\u{1B}": control(&rest)
            default: put(character)
            }
        }
    }

    private mutating func newLine() {
        row += 1
        if row == rows.count { rows.append([]) }
    }

    private mutating func put(_ character: Character) {
        let width = TerminalText.columns(character)
        // A screen that lets the terminal wrap by itself has lost count: make it visible.
        precondition(column + width <= columns, "wrote beyond the last column")
        while rows[row].count < column + width { rows[row].append(" ") }
        rows[row][column] = character
        if width == 2 { rows[row][column + 1] = "\u{0}" }
        column += width
    }

    private mutating func control(_ rest: inout Substring) {
        guard rest.popFirst() == "[" else { return }
        var parameter = ""
        while let next = rest.first, next.isNumber || next == ";" || next == "?" { parameter.append(rest.removeFirst()) }
        let count = Int(parameter) ?? 1
        switch rest.popFirst() {
        case "A": row = max(0, row - count)
        case "D": column = max(0, column - count)
        case "K": rows[row] = Array(rows[row].prefix(column))
        case "J":
            rows[row] = Array(rows[row].prefix(column))
            rows.removeSubrange((row + 1)...)
        default: break
        }
    }
}
