import JSON
import Testing
import ToldSession

@testable import Sessions

/// A conversation alone: its order, its bytes, what is stored of it, and what it refuses.
@Suite struct ConversationTests {
    private let log = ToldLog()
    private let memory = MemoryTally()
    private let conversation: Conversation

    init() { conversation = Conversation(maxByteCount: 10_000, log: log, memory: memory) }

    private func message(_ id: String, _ text: String = "hi", role: String = "user") -> Item {
        let type = role == "user" ? "input_text" : "output_text"
        let part: JSONValue = ["type": .string(type), "text": .string(text)]
        return Item(id: id, body: ["type": "message", "role": .string(role), "content": [part]])
    }

    private var ids: [String] { conversation.items.map(\.id) }

    /// What a store makes of the changes that it got.
    private var storedItems: [Item] {
        var items: [Item] = []
        for change in log.changes {
            switch change {
            case .remembered(let new, let position): items.insert(contentsOf: new, at: position)
            case .itemsInserted(let new, let position): items.insert(contentsOf: new, at: position)
            case .itemReplaced(let item, let position): items[position] = item
            case .itemDeleted(let position): items.remove(at: position)
            case .created, .metadata, .response, .responseDeleted: Issue.record("no change of a conversation: \(change)")
            }
        }
        return items
    }

    private func checkCounts() {
        #expect(conversation.byteCount == conversation.items.reduce(0) { $0 + $1.byteCount })
        #expect(memory.byteCount == conversation.byteCount)
        #expect(storedItems.map(\.json) == conversation.items.map(\.json))
    }

    @Test func itemsComeBehindAllOthersOrBehindOne() {
        conversation.append([message("a"), message("b")])
        conversation.append([])
        #expect(conversation.insert([message("c"), message("d")], after: "a"))
        #expect(conversation.insert([message("e")], after: nil))
        #expect(conversation.insert([message("f")], after: "b"))
        #expect(!conversation.insert([message("g")], after: "nowhere"))
        #expect(ids == ["e", "a", "c", "d", "b", "f"])
        checkCounts()
    }

    @Test func anItemIsReplacedInItsPosition() {
        conversation.append([message("a"), message("b", "long ago"), message("c")])
        #expect(conversation.replace(with: message("b", "now")))
        #expect(!conversation.replace(with: message("d")))
        #expect(conversation.items.map(\.text) == ["hi", "now", "hi"])
        checkCounts()
    }

    @Test func anItemIsTakenOut() {
        conversation.append([message("a"), message("b"), message("c")])
        #expect(conversation.delete("b") == 1)
        #expect(conversation.delete("b") == nil)
        #expect(ids == ["a", "c"])
        checkCounts()
    }

    /// Bytes that were heard of `fünf ☃`, and the text that is remembered.
    @Test(arguments: [(0, ""), (1, "f"), (2, "f"), (3, "fü"), (6, "fün" + "f "), (8, "fünf "), (9, "fünf ☃"), (100, "fünf ☃")])
    func whatNobodyHeardIsNotRemembered(_ heard: Int, _ text: String) {
        conversation.append([message("a"), message("b", "fünf ☃", role: "assistant")])
        let item = conversation.truncate("b", toUTF8Count: heard)
        #expect((item == nil) == (heard >= 9))
        #expect(item.map { $0.status == .incomplete } ?? true)
        #expect(conversation.items[1].text == text)
        checkCounts()
    }

    @Test func onlyMessagesAreTruncated() {
        conversation.append([Item(id: "fc", body: ["type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"])])
        #expect(conversation.truncate("fc", toUTF8Count: 0) == nil)
        #expect(conversation.truncate("nowhere", toUTF8Count: 0) == nil)
        checkCounts()
    }

    /// Behind what is cut nothing stays, though it would have fitted.
    @Test func theTextEndsWithThePartThatWasCut() {
        let parts: JSONValue = [["type": "output_text", "text": "a☃"], ["type": "output_text", "text": "b"]]
        conversation.append([Item(id: "m", body: ["type": "message", "role": "assistant", "content": parts])])
        _ = conversation.truncate("m", toUTF8Count: 3)
        #expect(conversation.items[0].text == "a")
    }

    // MARK: Checks

    @Test func anIdentifierStandsOnce() throws {
        conversation.append([message("a")])
        try conversation.checkIdentifiers(of: [message("b"), message("c")], besides: ["d"])
        #expect(throws: SessionError.self) { try conversation.checkIdentifiers(of: [message("a")], besides: []) }
        #expect(throws: SessionError.self) { try conversation.checkIdentifiers(of: [message("b"), message("b")], besides: []) }
        #expect(throws: SessionError.self) { try conversation.checkIdentifiers(of: [message("b")], besides: ["b"]) }
        #expect(throws: SessionError.self) {
            try conversation.checkIdentifiers(of: [message("b"), message("a")], besides: [])
        }
        try conversation.checkIdentifiers(of: [message("b")], besides: ["d"])
    }

    @Test func aResultNeedsACall() throws {
        let call = Item(id: "fc", body: ["type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"])
        let result = Item(id: "o", body: ["type": "function_call_output", "call_id": "c", "output": "1"])
        #expect(throws: SessionError.self) { try conversation.checkResults(in: [result], behind: []) }
        try conversation.checkResults(in: [result], behind: [call])
        try conversation.checkResults(in: [call, result], behind: [])
        conversation.append([call])
        try conversation.checkResults(in: [result], behind: [])
        #expect(throws: SessionError.self) { try conversation.checkResults(in: [result], behind: [result]) }
    }

    @Test func itHasABound() throws {
        let large = message("a", String(repeating: "x", count: 6_000))
        try conversation.checkRoom(for: [large])
        #expect(throws: SessionError.self) { try conversation.checkRoom(for: [large], waitingByteCount: 6_000) }
        conversation.append([large])
        #expect(throws: SessionError.self) { try conversation.checkRoom(for: [large]) }
    }
}
