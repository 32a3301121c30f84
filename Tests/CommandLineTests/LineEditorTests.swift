import Testing

@testable import interject

/// What keys do to the line. Control keys are written by their bytes.
@Suite struct LineEditorTests {
    private func typed(_ text: String) -> LineEditor {
        var editor = LineEditor()
        _ = editor.receive(text.utf8)
        return editor
    }

    @Test(arguments: [
        ("hello", "hello", 5), ("helo\u{1B}[Dl", "hello", 4), ("abc\u{7F}\u{7F}", "a", 1), ("abc\u{8}", "ab", 2),
        ("\u{7F}", "", 0), ("abc\u{1}x", "xabc", 1), ("abc\u{1}\u{5}x", "abcx", 4), ("abc\u{1B}[H\u{1B}[3~", "bc", 0),
        ("abc\u{1B}[1~x\u{1B}[4~y", "xabcy", 5),
        ("abc\u{1B}OHx\u{1B}OFy", "xabcy", 5), ("one two\u{17}x", "one x", 5), ("one two \u{17}", "one ", 4),
        ("abc\u{15}d", "d", 1),
        ("abc\u{1B}[D\u{1B}[D\u{B}", "a", 1), ("abc\u{2}\u{2}\u{6}x", "abxc", 3), ("a\u{4}b", "ab", 2), ("abc\u{1}\u{4}", "bc", 0),
        ("one two\u{1B}[1;5Dx", "one xtwo", 5), ("one two\u{1B}b\u{1B}b\u{1B}fx", "onex two", 4), ("a\tb", "a b", 3),
        ("a\u{1B}[99;99~b", "ab", 2), ("a\u{1B}[Zb", "ab", 2), ("a\u{0}\u{1F}b", "ab", 2),
    ])
    func editing(keys: String, text: String, cursor: Int) {
        let editor = typed(keys)
        #expect(editor.text == text)
        #expect(editor.cursor == cursor)
    }

    @Test(arguments: ["grüße", "日本語", "e\u{301}", "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "ก็"])
    func oneBackspaceTakesOneCharacter(text: String) {
        var editor = typed(text)
        #expect(editor.text == text)
        #expect(editor.cursor == text.count)
        for left in stride(from: text.count - 1, through: 0, by: -1) {
            _ = editor.receive([0x7F])
            #expect(editor.text == String(text.prefix(left)))
        }
    }

    @Test func whatIsNotUTF8IsDropped() {
        var editor = LineEditor()
        _ = editor.receive([0x61, 0xFF, 0xC3, 0x62, 0xE2, 0x82, 0xF5, 0x63, 0xED, 0xA0, 0x80, 0x64])
        #expect(editor.text == "abcd")
    }

    @Test func enterSubmitsAndEmpties() {
        var editor = LineEditor()
        #expect(editor.receive("one\rtwo\nthree\r\nfour".utf8) == [.submitted("one"), .submitted("two"), .submitted("three")])
        #expect(editor.text == "four")
    }

    @Test func controlCAndD() {
        var editor = LineEditor()
        #expect(editor.receive([0x03]) == [.interrupted])
        #expect(editor.receive([0x04]) == [.ended])
        #expect(editor.receive([0x61, 0x04]) == [])
        #expect(editor.receive([0x0C]) == [.redraw])
    }

    @Test func pastedLineEndsAreKeptAndDoNotSubmit() {
        var editor = LineEditor()
        #expect(editor.receive("\u{1B}[200~a\nb\r\n\tc\rd\u{1B}[201~".utf8) == [])
        #expect(editor.text == "a\nb\n\tc\nd")
        #expect(editor.receive([0x0D]) == [.submitted("a\nb\n\tc\nd")])
        #expect(editor.receive("e\tf\r".utf8) == [.submitted("e f")])
    }

    @Test func whatIsPastedPressesNoKeys() {
        var editor = LineEditor()
        #expect(editor.receive("\u{1B}[200~a\u{3}\u{4}b\u{7F}\u{15}\u{1B}[A\u{1B}[3~\u{1B}bc\u{1B}[201~d".utf8) == [])
        #expect(editor.text == "abcd" && editor.cursor == 4)
    }

    @Test func theHistoryKeepsTheDraft() {
        var editor = typed("one\rtwo\rtwo\rdraft")
        let up = Array("\u{1B}[A".utf8)
        let down = Array("\u{1B}[B".utf8)
        var seen: [String] = []
        for keys in [up, up, up, down, down, down] {
            _ = editor.receive(keys)
            seen.append(editor.text)
        }
        #expect(seen == ["two", "one", "one", "two", "draft", "draft"])
    }

    /// However the bytes come, and whatever they are: the same line, and a cursor within it.
    @Test func splitsChangeNothingAndNothingCrashes() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix64(state: seed)
        let pieces: [[UInt8]] = [
            Array("ab c".utf8), Array("ü日👍🏽e\u{301}".utf8), Array("[D".utf8), Array("[C".utf8), Array("[3~".utf8),
            Array("[200~".utf8), Array("[201~".utf8), [0x01], [0x05], [0x0A], [0x0B], [0x0D], [0x10], [0x15], [0x17], [0x1B],
            [0x7F], [0xFF], [0xE2, 0x82],
        ]
        for _ in 0..<300 {
            let bytes = (0..<40).flatMap { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
            var whole = LineEditor()
            let actions = whole.receive(bytes)
            var split = LineEditor()
            var splitActions: [LineEditor.Action] = []
            for byte in bytes {
                splitActions += split.receive([byte])
                #expect((0...split.characters.count).contains(split.cursor), "seed \(seed)")
            }
            #expect(whole.text == split.text && whole.cursor == split.cursor && actions == splitActions, "seed \(seed)")
        }
    }
}

/// A random sequence that a seed repeats.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
