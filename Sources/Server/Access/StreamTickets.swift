import Network
import Sessions
import Synchronization

/// Tickets for connections whose header fields a page cannot set (EventSource, WebSocket): good once, for a minute at most, for
/// one session or response. In memory: after a restart a page asks for another.
final class StreamTickets: Sendable {
    static let maxLifetime = Duration.seconds(60)
    /// Tickets that wait to be used; for one key a tenth of them.
    static let maxCount = 10_000
    static let prefix = "ijs-"

    private struct Ticket {
        let caller: Caller
        let deadline: Instant
    }

    private let tickets = Mutex<[String: Ticket]>([:])

    /// - Returns: nil when too many wait already.
    func issue(to caller: Caller, for binding: Caller.Binding, lifetime: Duration, now: Instant) -> String? {
        var caller = caller
        caller.binding = binding
        caller.hasKey = false
        let ticket = Ticket(caller: caller, deadline: now + min(lifetime, Self.maxLifetime))
        let text = Identifier.make(Self.prefix)
        let isIssued = tickets.withLock { tickets in
            if tickets.count >= Self.maxCount { tickets = tickets.filter { $0.value.deadline > now } }
            guard tickets.count < Self.maxCount else { return false }
            let own = tickets.values.count { $0.caller.keyID == caller.keyID && $0.deadline > now }
            guard own < Self.maxCount / 10 else { return false }
            tickets[text] = ticket
            return true
        }
        return isIssued ? text : nil
    }

    /// Whom it stands for; it is used up by that.
    func redeem(_ text: String, now: Instant) -> Caller? {
        guard let ticket = tickets.withLock({ $0.removeValue(forKey: text) }), ticket.deadline > now else { return nil }
        return ticket.caller
    }
}
