import Network
import Testing

@testable import Access

@Suite struct StreamTicketsTests {
    private let tickets = StreamTickets()
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func issue(_ owner: String, key: String = "k", at seconds: Int = 0) -> String? {
        tickets.issue(
            to: Caller(owner: owner, keyID: key, scopes: .all), for: .session("s"), lifetime: .seconds(60),
            now: start + .seconds(seconds))
    }

    @Test func aTicketIsGoodOnce() throws {
        let ticket = try #require(issue("ann"))
        #expect(tickets.redeem(ticket, now: start)?.owner == "ann")
        #expect(tickets.redeem(ticket, now: start) == nil)
    }

    @Test func anOwnerHasAShareHoweverManyKeysItHas() {
        for number in 0..<StreamTickets.maxCountPerOwner { #expect(issue("ann", key: "k\(number)") != nil) }
        #expect(issue("ann", key: "another") == nil)
        #expect(issue("bob") != nil)
        #expect(issue("ann", at: 61) != nil, "what has expired counts no more")
    }

    @Test func ownersThatTakeAllLeaveRoomForOneThatAsksForLittle() throws {
        for owner in 0..<10 { for _ in 0..<StreamTickets.maxCountPerOwner { #expect(issue("owner \(owner)") != nil) } }
        let late = try #require(issue("bob"))
        #expect(tickets.redeem(late, now: start)?.owner == "bob")
    }
}
