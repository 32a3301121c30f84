import Testing

@testable import Upstreams

@Suite struct KeyBlotterTests {
    @Test(arguments: [
        ("your key is my-own-key-1234.", "your key is [key]."),
        ("(my-own-key-1234)", "([key])"),
        ("prefixmy-own-key-1234", "prefix[key]"),
        ("Incorrect API key provided: my-o*******1234. Look it up.", "Incorrect API key provided: [key]. Look it up."),
        ("key my-o...1234 is bad", "key [key] is bad"),
        ("key my-o…1234 is bad", "key [key] is bad"),
        ("another one: sk-proj-AbCdEfGhIjKlMnOpQr", "another one: [key]"),
        ("AIzaSyA1234567890abcdef", "[key]"),
    ])
    func keysAreBlottedOut(_ text: String, _ clean: String) {
        #expect(KeyBlotter(key: "my-own-key-1234").clean(text) == clean)
    }

    @Test(arguments: [
        "wait... then try again", "the sk-learn package", "max_tokens must be <= 4096", "* a\n* b", "héllo … wörld 👍🏽", "",
    ])
    func otherWordsStay(_ text: String) {
        #expect(KeyBlotter(key: "my-own-key-1234").clean(text) == text)
        #expect(KeyBlotter(key: nil).clean(text) == text)
    }

    @Test func aShortKeyIsNoReasonToSpoilWords() {
        let blotter = KeyBlotter(key: "none")
        #expect(blotter.clean("nonetheless, none of them; key none.") == "nonetheless, [key] of them; key [key].")
    }
}
