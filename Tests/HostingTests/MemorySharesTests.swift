import Testing

@testable import Hosting

@Suite struct MemorySharesTests {
    @Test func whoHasTheMostGivesWay() {
        var shares = MemoryShares([("ann", 100), ("bob", 10), ("bob", 10)] + Array(repeating: ("eve", 50), count: 4))
        shares.add("bob 1", of: "bob", byteCount: 10)
        for number in 0..<4 { shares.add("eve \(number)", of: "eve", byteCount: 50) }
        shares.add("bob 2", of: "bob", byteCount: 10)
        // Ann has 100, and none of hers may go.
        #expect((0..<4).map { _ in shares.popNext() } == ["eve 0", "eve 1", "eve 2", "eve 3"])
        #expect(shares.popNext() == "bob 1")
        #expect(shares.popNext() == "bob 2")
        #expect(shares.popNext() == nil)
    }
}
