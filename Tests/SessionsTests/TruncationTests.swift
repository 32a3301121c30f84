import JSON
import Testing
import ToldSession

@testable import Sessions

/// What is left of a message that was truncated: whole characters, and nothing that refers to the whole text.
@Suite struct TruncationTests {
    private let conversation = Conversation(maxByteCount: 1 << 20, log: ToldLog(), memory: MemoryTally())

    private func truncated(_ body: JSONObject, chatMessage: JSONValue? = nil, to utf8Count: Int) -> Item? {
        let id = Identifier.make("msg_")
        conversation.append([Item(id: id, body: body, chatMessage: chatMessage)])
        return conversation.truncate(id, toUTF8Count: utf8Count)
    }

    private func answer(_ texts: [String], _ extensions: JSONValue? = nil) -> JSONObject {
        let parts = texts.map { text -> JSONValue in
            [
                "type": "output_text", "text": .string(text), "annotations": [["type": "url_citation", "end_index": 7]],
                "logprobs": [["token": .string(text)]],
            ]
        }
        var body: JSONObject = ["type": "message", "role": "assistant", "content": .array(parts)]
        body["interject"] = extensions
        return body
    }

    @Test func theSignatureOfTheWholeTextGoes() throws {
        let data = ProviderData(dialect: ProviderData.anthropic, members: ["signature": "s"]).encoded
        let plain = try #require(truncated(answer(["one two"], ["provider_data": .string(data)]), to: 3))
        #expect(plain.body["interject"] == nil && plain.provider == nil)
        let marked: JSONValue = ["provider_data": .string(data), "interrupted": true, "interrupted_by": "Ann"]
        let cut = try #require(truncated(answer(["one two"], marked), to: 3))
        #expect(cut.body["interject"] == ["interrupted": true, "interrupted_by": "Ann"])
        // A text that stays whole stays signed.
        #expect(truncated(answer(["one two"], marked), to: 7) == nil)
        #expect(conversation.items.last?.provider != nil)
    }

    @Test func annotationsAndProbabilitiesOfATextThatWasCutGo() throws {
        let item = try #require(truncated(answer(["one", "two", "three"]), to: 5))
        let parts = item.body["content"]?.array ?? []
        #expect(parts.map { $0["text"] } == ["one", "tw", ""])
        for name in ["annotations", "logprobs"] { #expect(parts.map { $0[name]?.array?.count } == [1, 0, 0]) }
    }

    @Test func theClientsOwnFormLosesItsSignatureToo() throws {
        let message: JSONValue = [
            "role": "assistant", "content": "one two", "extra_content": ["google": ["thought_signature": "s"]],
            "annotations": [["type": "url_citation"]], "name": "x",
        ]
        let body: JSONObject = ["type": "message", "role": "assistant", "content": "one two"]
        let item = try #require(truncated(body, chatMessage: message, to: 3))
        #expect(item.chatMessage == ["role": "assistant", "content": "one", "annotations": [], "name": "x"])
    }

    @Test(arguments: 0..<64 as Range<UInt64>) func aTextIsCutAtTheLastWholeCharacter(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = [
            "a", "\r", "\n", "ü", "u\u{308}", "\u{301}", "\u{200D}", "☃", "👩\u{200D}🚀", "🇩🇪", "🇫", "\u{FE0F}", "각", "ᄀ", "ᅡ", "नि",
            "\u{94D}",
        ]
        let text = (0..<Int.random(in: 1...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
        for utf8Count in 0..<text.utf8.count {
            var whole = ""
            var byteCount = 0
            for character in text {
                byteCount += character.utf8.count
                if byteCount > utf8Count { break }
                whole.append(character)
            }
            let item = try #require(truncated(["type": "message", "role": "assistant", "content": .string(text)], to: utf8Count))
            #expect(Array(item.text.utf8) == Array(whole.utf8), "seed \(seed): \(text.debugDescription) to \(utf8Count) bytes")
        }
    }
}
