import Testing

@testable import Upstreams

@Suite("Rehearsal script")
struct RehearsalScriptTests {
    private func conversation(_ turns: (String, String)...) -> RehearsalConversation {
        RehearsalConversation(turns.map { RehearsalConversation.Message(role: $0.0, text: $0.1) })
    }

    private func script(_ conversation: RehearsalConversation, _ object: [String: String] = [:]) throws -> RehearsalScript {
        var directives = try RehearsalDirectives(prompt: conversation.prompt, object: nil)
        for (key, value) in object { try directives.set(key, value) }
        return RehearsalScript(conversation, directives)
    }

    private func text(_ conversation: RehearsalConversation, _ object: [String: String] = [:]) throws -> String {
        try script(conversation, object).remainingText()
    }

    private func words(_ text: String) -> [Substring] { text.split(separator: " ") }

    private static let note = """
        Continue your answer above exactly where it stops, with this in mind. Do not repeat what you have already written, and do \
        not begin anew.
        """

    @Test func saysWhatItIsAndQuotes() throws {
        let text = try text(conversation(("user", "Tell me [[rehearsal tokens=60]] about the sea")))
        #expect(text.hasPrefix("This is the rehearsal model, no AI: you said “Tell me about the sea”. "))
        let long = try self.text(conversation(("user", "one two three four five six seven eight nine ten")))
        #expect(long.contains("“…three four five six seven eight nine ten”"))
        #expect(try self.text(conversation(("user", " "))).contains("you said nothing"))
    }

    @Test func isTheSameForTheSameSeed() throws {
        let hello = conversation(("user", "hello"))
        #expect(try text(hello) == text(hello))
        #expect(try text(hello, ["seed": "1", "tokens": "90"]) == text(hello, ["seed": "1", "tokens": "90"]))
        #expect(try text(hello, ["seed": "1", "tokens": "90"]) != text(hello, ["seed": "2", "tokens": "90"]))
        #expect(try text(hello) != text(conversation(("user", "hallo"))))
        #expect((60...180).contains(words(try text(hello)).count))
    }

    @Test func hasExactlyTheTokensAskedForAndEndsWithAFullStop() throws {
        for count in Array(1...140) + [500, 2000] {
            var script = try script(
                conversation(("user", "Is this, perhaps, “it”?")), ["tokens": "\(count)", "seed": "\(count)"])
            #expect(script.tokenCount == count)
            var tokens: [String] = []
            while let token = script.next({ String(decoding: $0, as: UTF8.self) }) { tokens.append(token) }
            #expect(tokens.count == count)
            #expect(tokens.last?.hasSuffix(".") == true, "tokens=\(count): \(tokens)")
            #expect(tokens.first == "This" || count == 1 && tokens == ["This."])
            #expect(tokens.dropFirst().allSatisfy { $0.hasPrefix(" ") && !$0.dropFirst().contains(" ") && $0.count > 1 })
        }
    }

    @Test func hasSentencesAndEndingsOfTheLengthsThatItReliesOn() {
        for sentence in RehearsalSentence.pool {
            #expect((1...RehearsalSentence.maxTokenCount).contains(sentence.tokenCount), "\(sentence.text)")
            #expect(sentence.text.hasSuffix("."))
        }
        for endings in RehearsalSentence.endings {
            #expect(endings.map(\.tokenCount) == Array(1...RehearsalSentence.maxTokenCount))
        }
        let all = (RehearsalSentence.pool + RehearsalSentence.endings.joined()).map(\.text)
        #expect(Set(all).count == all.count)
    }

    @Test func repeatsNoSentenceBeforeAllWereSaid() throws {
        let text = try text(conversation(("user", "hi")), ["tokens": "300"])
        let sentences = text.split(separator: ".").dropFirst().map { $0 }
        #expect(Set(sentences).count == sentences.count)
    }

    @Test func saysWhereItWasCutOff() throws {
        let cut = try text(conversation(("user", "hi"), ("assistant", "I was about to tell you that"), ("user", "stop")))
        #expect(cut.contains("“stop”. Before that I was cut off at “I was about to tell you that”, and I remember it."))
        for whole in ["It is done.", "Is it?", "He said “no”", "(so)", "", "Wow!  "] {
            #expect(try !text(conversation(("user", "hi"), ("assistant", whole), ("user", "stop"))).contains("cut off at"))
        }
        let old = conversation(
            ("user", "a"), ("assistant", "cut here"), ("user", "b"), ("assistant", "Whole."), ("user", "c"))
        #expect(try !text(old).contains("cut off at"))
    }

    @Test func goesOnWhereASteeredAnswerStops() throws {
        for (seed, kept) in zip(0..., 1..<100) {
            let prompt = "Tell me everything, please [[rehearsal tokens=100 seed=\(seed)]]"
            let whole = words(try text(conversation(("user", prompt))))
            let first = whole[..<kept].joined(separator: " ")
            let steered = conversation(
                ("user", prompt), ("assistant", first), ("user", "[[rehearsal pace=0]] But shorter\n\n\(Self.note)"))
            let rest = try text(steered)
            #expect(rest.hasPrefix(" "))
            #expect(rest.contains("With “But shorter” in mind I go on."))
            #expect(!rest.contains("Continue your"))
            let next = whole[kept...].prefix(1).joined()
            if !first.hasSuffix(".") { #expect(words(rest).first.map(String.init) == next, "kept \(kept): \(rest)") }
            let sentences = (first + rest).split(separator: ".").dropFirst()
            #expect(Set(sentences).count == sentences.count, "kept \(kept): \(first)|\(rest)")
            #expect(rest.hasSuffix("."))
        }
    }

    @Test func goesOnWithinAWordAndAfterASpace() throws {
        let prompt = ("user", "Tell me [[rehearsal tokens=80]]")
        let whole = try text(conversation(prompt))
        for count in 1..<whole.count {
            let kept = String(whole.prefix(count))
            let rest = try text(conversation(prompt, ("assistant", kept), ("user", Self.note)))
            let next = whole.dropFirst(count).prefix { $0 != " " && $0 != "." }
            if !kept.hasSuffix("."), !kept.hasSuffix(". ") { #expect(rest.hasPrefix(next), "\(kept)|\(rest)") }
        }
    }

    @Test func goesOnAgainWhenSteeredTwice() throws {
        let prompt = ("user", "Tell me [[rehearsal tokens=120]]")
        let one = words(try text(conversation(prompt)))[..<30].joined(separator: " ")
        let two = try text(conversation(prompt, ("assistant", one), ("user", "in verse\n\n\(Self.note)")))
        // The note of the first steer is not part of the conversation any more.
        let keptTwo = " " + words(two)[..<40].joined(separator: " ")
        let three = try text(
            conversation(
                prompt, ("assistant", one), ("user", "in verse"), ("assistant", keptTwo), ("user", "louder\n\n\(Self.note)")))
        if !keptTwo.hasSuffix(".") { #expect(words(three).first == words(two)[40]) }
        #expect(three.contains("With “louder” in mind I go on."))
        let sentences = (one + keptTwo + three).split(separator: ".").dropFirst()
        #expect(Set(sentences).count == sentences.count, "\(one)|\(keptTwo)|\(three)")
    }

    @Test func goesOnFromTheTextOfAnotherModel() throws {
        let said = RehearsalSentence.pool.prefix(20).map(\.text).joined(separator: " ")
        let rest = try text(
            conversation(("user", "x"), ("assistant", said + " And then"), ("user", "more\n\n\(Self.note)")), ["tokens": "120"])
        #expect(rest.hasPrefix(" … With “more” in mind I go on."))
        for sentence in RehearsalSentence.pool.prefix(20) { #expect(!rest.contains(sentence.text)) }
        #expect(words(rest).count == 120)
    }

    @Test func continuesAPrefill() throws {
        let whole = words(try text(conversation(("user", "x [[rehearsal tokens=70]]"))))
        let rest = try text(
            conversation(("user", "x [[rehearsal tokens=70]]"), ("assistant", whole[..<20].joined(separator: " "))),
            ["tokens": "50"])
        #expect(words(rest).first == whole[20])
    }

    @Test func echoesAndRepeats() throws {
        let prompt = conversation(("user", "Say  “this”\nback [[rehearsal echo=1]]"))
        #expect(try text(prompt) == "Say  “this”\nback")
        #expect(try script(prompt).tokenCount == 3)
        #expect(try text(prompt, ["tokens": "2"]) == "Say  “this”")
        #expect(try text(conversation(("user", "[[rehearsal echo=1]]"))) == "")
        #expect(try text(conversation(("user", "[[rehearsal text=la tokens=4]]"))) == "la la la la")
        #expect(try text(conversation(("user", "[[rehearsal text=la tokens=1]]"))) == "la")
    }

    @Test func survivesStrangeConversations() throws {
        let texts = [
            "", " ", "“", "…", "[[rehearsal", "]]", "\u{0}\u{1F469}\u{200D}\u{1F680}", String(repeating: "x", count: 5000),
            "continue the answer above", "\r\n",
        ]
        for first in texts {
            for second in texts {
                for third in texts {
                    let text = try text(
                        conversation(("user", first), ("assistant", second), ("user", third)), ["tokens": "40"])
                    #expect(text.hasSuffix("."))
                }
            }
        }
    }
}
