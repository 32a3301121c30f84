package import Network
import Sessions
import Synchronization

/// Tickets for connections whose header fields a page cannot set (EventSource, WebSocket): valid once, for at most a minute, for
/// one session or response. In memory only: after a restart a page requests another.
package final class StreamTickets: Sendable {
    static let maxLifetime = Duration.seconds(60)
    /// Maximum number of unused tickets; one owner may have a tenth. When there is no room, the owner with the most loses its
    /// oldest, so that owners with many requests leave room for one with few.
    package static let maxCount = 10_000
    static let maxCountPerOwner = maxCount / 10
    /// The prefix of every ticket.
    package static let prefix = "ijs-"

    private struct Ticket {
        let caller: Caller
        let deadline: Instant
    }

    private struct State {
        private var tickets: [String: Ticket] = [:]
        private var counts: [String: Int] = [:]

        mutating func add(_ ticket: Ticket, _ text: String, now: Instant) -> Bool {
            let owner = ticket.caller.owner
            if tickets.count >= StreamTickets.maxCount || count(of: owner) >= StreamTickets.maxCountPerOwner { removeExpired(now) }
            guard count(of: owner) < StreamTickets.maxCountPerOwner else { return false }
            if tickets.count >= StreamTickets.maxCount, !makeRoom(for: owner) { return false }
            tickets[text] = ticket
            counts[owner, default: 0] += 1
            return true
        }

        mutating func remove(_ text: String) -> Ticket? {
            guard let ticket = tickets.removeValue(forKey: text) else { return nil }
            let left = count(of: ticket.caller.owner) - 1
            counts[ticket.caller.owner] = left > 0 ? left : nil
            return ticket
        }

        func ticket(_ text: String) -> Ticket? { tickets[text] }

        private func count(of owner: String) -> Int { counts[owner] ?? 0 }

        private mutating func removeExpired(_ now: Instant) {
            for (text, ticket) in tickets where ticket.deadline <= now { _ = remove(text) }
        }

        private mutating func makeRoom(for owner: String) -> Bool {
            guard let largest = counts.max(by: { $0.value < $1.value }), largest.value > count(of: owner) + 1,
                let oldest = tickets.lazy.filter({ $0.value.caller.owner == largest.key })
                    .min(by: { $0.value.deadline < $1.value.deadline })
            else { return false }
            return remove(oldest.key) != nil
        }
    }

    private let state = Mutex(State())

    /// No tickets.
    package init() {}

    /// Issues a ticket.
    /// - Returns: nil if too many are unused.
    package func issue(to caller: Caller, for binding: Caller.Binding, lifetime: Duration, now: Instant) -> String? {
        var caller = caller
        caller.binding = binding
        caller.hasKey = false
        let ticket = Ticket(caller: caller, deadline: now + min(lifetime, Self.maxLifetime))
        let text = Identifier.make(Self.prefix)
        return state.withLock { $0.add(ticket, text, now: now) } ? text : nil
    }

    /// The caller that a ticket authenticates; does not use it up.
    package func holder(of text: String, now: Instant) -> Caller? {
        state.withLock { $0.ticket(text) }.flatMap { $0.deadline > now ? $0.caller : nil }
    }

    /// The caller that a ticket authenticates; uses it up.
    package func redeem(_ text: String, now: Instant) -> Caller? {
        guard let ticket = state.withLock({ $0.remove(text) }), ticket.deadline > now else { return nil }
        return ticket.caller
    }
}
