import JSON
import Sessions
import Testing

/// Items that were encoded before they came to their session: the log tells of them as of all others.
@Suite struct EncodedItemsTests {
    private let items = [Item.userMessage("one \"and\" é"), .userMessage("two")]

    private func event(_ type: EventKind, _ body: (Session) throws -> Void) throws -> JSONValue {
        let fixture = Fixture()
        try body(fixture.session)
        checkInvariants(fixture)
        var json = try #require(fixture.recorder.json(type).last)
        json["response_id"] = nil
        return json
    }

    private func input(_ session: Session) -> Input { Input(items: items, parameters: session.defaults, policy: .continuing) }

    @Test func anInputIsToldAsIfItHadNotBeen() throws {
        let plain = try event(.inputAccepted) { _ = try $0.submit(input($0)) }
        let encoded = try event(.inputAccepted) { session in
            var input = input(session)
            input.encoded = EncodedItems(items)
            _ = try session.submit(input)
        }
        #expect(plain == encoded)
        #expect(encoded["items"]?.array?.count == 2)
    }

    @Test func itemsThatAreAddedAreToldAsIfTheyHadNotBeen() throws {
        let plain = try event(.itemsAdded) { try $0.add(items) }
        let encoded = try event(.itemsAdded) { try $0.add(items, encoded: EncodedItems(items)) }
        #expect(plain == encoded)
    }

    @Test func itemsThatWereChangedAfterwardsAreToldAsTheyAre() throws {
        let told = try event(.inputAccepted) { session in
            var input = input(session)
            input.encoded = EncodedItems(items)
            input.items = [.userMessage("another")]
            _ = try session.submit(input)
        }
        #expect(told["items"]?[0]?["content"]?[0]?["text"]?.string == "another")
    }

    @Test func whatWasUsedOnceIsMadeAnew() throws {
        let encoded = EncodedItems(items)
        for _ in 0..<2 {
            let told = try event(.inputAccepted) { session in
                var input = input(session)
                input.encoded = encoded
                _ = try session.submit(input)
            }
            #expect(told["items"]?.array?.count == 2)
        }
    }
}
