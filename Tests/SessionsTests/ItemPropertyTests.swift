import JSON
import Testing
import ToldSession

@testable import Sessions

/// Random changes of a conversation from a seed: what a reader makes of the events, and what a store makes of the changes, is the
/// conversation.
@Suite struct ItemPropertyTests {
    /// A conversation as a reader of the log knows it.
    private struct Reader {
        private(set) var items: [JSONValue] = []
        /// Of the response that runs.
        private var said: [JSONValue] = []

        mutating func take(_ event: SessionEvent) {
            let json = event.json
            switch event.kind {
            case .inputAccepted, .itemsAdded: items += json["items"]?.array ?? []
            case .itemsInserted:
                let index = json["previous_item_id"]?.string.flatMap(index).map { $0 + 1 } ?? 0
                items.insert(contentsOf: json["items"]?.array ?? [], at: index)
            case .itemReplaced, .itemTruncated:
                guard let item = json["item"], let index = item["id"]?.string.flatMap(index) else { return }
                items[index] = item
            case .itemsDeleted:
                for id in json["item_ids"]?.array ?? [] { items.removeAll { $0["id"] == id } }
            case .outputItemDone: if let item = json["item"] { said.append(item) }
            case let kind where kind.isTerminal:
                items += said
                said = []
            default: break
            }
        }

        private func index(_ id: String) -> Int? { items.firstIndex { $0["id"]?.string == id } }
    }

    /// Sessions that the test has left behind: a process that ends frees nothing.
    private final class Processes { var sessions: [Session] = [] }

    private func change(_ session: Session, _ random: inout SplitMix64, step: Int) {
        let some = session.items.randomElement(using: &random)
        let role = Bool.random(using: &random) ? "assistant" : "user"
        func item(_ id: String) -> Item {
            Item(id: id, body: ["type": "message", "role": .string(role), "content": .string("ü\(step) ☃")])
        }
        let new = (0..<Int.random(in: 1...3, using: &random)).map { item("i\(step).\($0)") }
        let kind: SessionCommand.Kind
        switch Int.random(in: 0..<10, using: &random) {
        case 0: kind = .addItems(NewItems(new))
        case 1...3: kind = .insertItems(NewItems(new), after: some?.id)
        case 4: kind = .replaceItem(item(some?.id ?? "none"))
        case 5...6:
            kind = .truncateItem(.init(itemID: some?.id ?? "none", toUTF8Count: Int.random(in: 0..<12, using: &random)))
        case 7: kind = .deleteItem(id: some?.id ?? "none")
        case 8:
            session.active?.say("word ")
            return
        default:
            guard session.active == nil else {
                session.active?.finish(.stop)
                return
            }
            kind = .submit(
                .init(NewItems(new), responseID: Identifier.make("resp_"), parameters: .whole(session.defaults)))
        }
        _ = session.handle(SessionCommand(kind))
    }

    @Test(arguments: 0..<16 as Range<UInt64>) func readersAndStoreAgreeWithTheSession(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let host = FakeHost()
        let processes = Processes()
        let first = KeepingLog()
        var session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: first)
        processes.sessions.append(session)
        for round in 0..<8 {
            for step in 0..<40 { change(session, &random, step: round * 40 + step) }
            session.active?.finish(.stop)
            var reader = Reader()
            for event in session.log.events { reader.take(event) }
            #expect(reader.items == session.items.map(\.json), "seed \(seed), round \(round)")
            #expect(session.conversationByteCount == session.items.reduce(0) { $0 + $1.byteCount })

            let log = try #require(session.log as? KeepingLog)
            let restored = try log.restart(on: host)
            processes.sessions.append(restored)
            #expect(restored.items == session.items, "seed \(seed), round \(round)")
            #expect(restored.stateJSON() == session.stateJSON(), "seed \(seed), round \(round)")
            // Where branches begin.
            let (before, after) = (session, restored)
            #expect(
                after.generations.map { after.conversation(upTo: $0) } == before.generations.map { before.conversation(upTo: $0) })
            session = restored
        }
    }
}
