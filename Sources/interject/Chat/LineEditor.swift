/// A line editor: takes the bytes of a terminal, and maintains a text and a cursor. No I/O.
struct LineEditor {
    enum Action: Equatable {
        /// Enter, with the line; the editor's line is empty afterwards.
        case submitted(String)
        /// Ctrl-C
        case interrupted
        /// Ctrl-D on an empty line.
        case ended
        /// Ctrl-L
        case redraw
    }

    /// Longest line, in characters; further characters are dropped.
    static let maxCharacters = 100_000
    static let maxHistory = 200

    private(set) var characters: [Character] = []
    /// Number of characters before the cursor.
    private(set) var cursor = 0
    var text: String { String(characters) }

    private var decoder = KeyDecoder()
    private var history: [String] = []
    /// Index in the history while browsing it, and the line typed before that.
    private var browsing: (index: Int, draft: String)?

    /// Processes all bytes.
    /// - Returns: the requested actions, in order.
    mutating func receive(_ bytes: some Sequence<UInt8>) -> [Action] {
        var actions: [Action] = []
        for byte in bytes {
            guard let key = decoder.receive(byte), let action = press(key) else { continue }
            actions.append(action)
        }
        return actions
    }

    private mutating func press(_ key: KeyDecoder.Key) -> Action? {
        switch key {
        case .scalar(let scalar): insert(scalar)
        case .enter: return .submitted(submit())
        case .interrupt: return .interrupted
        case .endOfInput:
            if characters.isEmpty { return .ended }
            deleteForward()
        case .redraw: return .redraw
        case .backspace:
            if cursor > 0 {
                cursor -= 1
                characters.remove(at: cursor)
            }
        case .delete: deleteForward()
        case .left: cursor = max(0, cursor - 1)
        case .right: cursor = min(characters.count, cursor + 1)
        case .wordLeft: cursor = wordStart
        case .wordRight: cursor = wordEnd
        case .home: cursor = 0
        case .end: cursor = characters.count
        case .up: browse(-1)
        case .down: browse(1)
        case .deleteToStart:
            characters.removeSubrange(..<cursor)
            cursor = 0
        case .deleteToEnd: characters.removeSubrange(cursor...)
        case .deleteWord:
            let start = wordStart
            characters.removeSubrange(start..<cursor)
            cursor = start
        }
        return nil
    }

    /// Clears the line.
    mutating func clear() {
        characters = []
        cursor = 0
        browsing = nil
    }

    private mutating func insert(_ scalar: Unicode.Scalar) {
        guard characters.count < Self.maxCharacters else { return }
        // The scalar may extend the character before it: an accent, a skin tone, the second half of a flag.
        if cursor > 0 {
            let joined = Array(String(characters[cursor - 1]) + String(Character(scalar)))
            characters.replaceSubrange(cursor - 1..<cursor, with: joined)
            cursor += joined.count - 1
        } else {
            characters.insert(Character(scalar), at: 0)
            cursor = 1
        }
    }

    private mutating func deleteForward() {
        if cursor < characters.count { characters.remove(at: cursor) }
    }

    private var wordStart: Int {
        var index = cursor
        while index > 0, characters[index - 1].isWhitespace { index -= 1 }
        while index > 0, !characters[index - 1].isWhitespace { index -= 1 }
        return index
    }

    private var wordEnd: Int {
        var index = cursor
        while index < characters.count, characters[index].isWhitespace { index += 1 }
        while index < characters.count, !characters[index].isWhitespace { index += 1 }
        return index
    }

    private mutating func submit() -> String {
        let line = text
        if !line.isEmpty, history.last != line {
            history.append(line)
            if history.count > Self.maxHistory { history.removeFirst() }
        }
        clear()
        return line
    }

    private mutating func browse(_ step: Int) {
        let (index, draft) = browsing ?? (history.count, text)
        let new = index + step
        guard (0...history.count).contains(new) else { return }
        browsing = new == history.count ? nil : (new, draft)
        characters = Array(new == history.count ? draft : history[new])
        cursor = characters.count
    }
}
