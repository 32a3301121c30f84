public import Bytes
import Synchronization

/// Decides which new connections are accepted: limits their total number, and their number and rate per address.
///
/// Shared by all loops of a server, because the kernel spreads an address's connections over all of them. Takes a short lock when a
/// connection opens or closes, never for its bytes.
public final class AcceptGate: Sendable {
    /// 0 means no limit.
    public struct Limits: Sendable, Equatable {
        /// Open connections.
        public var total = 0
        /// Open connections per address (per /64 in IPv6).
        public var perAddress = 0
        /// New connections per second and address; bursts of twice as many are accepted.
        public var ratePerAddress = 0
        /// Whether limits per address also apply to loopback addresses. A proxy on this machine has one of them.
        public var includesLoopback = false

        public init() {}
    }

    /// Why a connection was refused.
    public enum Refusal: String, CaseIterable, Sendable {
        case total
        case perAddress = "per_address"
        case rate
    }

    private struct Guest {
        var open = 0
        /// Budget of new connections.
        var budget: TokenBucket
        var lastCame: Instant
    }

    private struct State {
        var open = 0
        var guests: [IPAddress: Guest] = [:]
        var refusals: [Refusal: UInt64] = [:]
        /// Refusals since the last summary in the log.
        var untold: [Refusal: Int] = [:]
        var lastTold: Instant?
        /// Entries left by the last clean-up.
        var kept = 0
    }

    /// Least time between two summaries in the log.
    private static let summaryInterval = Duration.seconds(10)

    public let limits: Limits
    private let state = Mutex(State())

    public init(_ limits: Limits = Limits()) { self.limits = limits }

    private func key(_ peer: IPAddress?) -> IPAddress? {
        guard limits.perAddress > 0 || limits.ratePerAddress > 0, let peer else { return nil }
        return peer.isLoopback && !limits.includesLoopback ? nil : peer.network
    }

    /// Admits a connection, or returns why not. Call ``release(_:)`` when an admitted one closes.
    /// - Parameters:
    ///   - peer: nil for a Unix socket, to which only the total applies.
    ///   - descriptor: the connection's; its number is compared with ``DescriptorLimits``.
    public func admit(_ peer: IPAddress?, descriptor: Int32 = 0, now: Instant) -> Refusal? {
        let key = key(peer)
        let isTooHigh = descriptor >= DescriptorLimits.current.clients
        return state.withLock { state in
            let refusal = isTooHigh ? .total : Self.decide(key, limits, now, &state)
            if let refusal {
                state.refusals[refusal, default: 0] += 1
                state.untold[refusal, default: 0] += 1
            } else {
                state.open += 1
            }
            return refusal
        }
    }

    private static func decide(_ key: IPAddress?, _ limits: Limits, _ now: Instant, _ state: inout State) -> Refusal? {
        if limits.total > 0, state.open >= limits.total { return .total }
        guard let key else { return nil }
        if state.guests.count > 2 * state.kept + 1024 { forgetIdle(now, &state) }
        var guest = state.guests[key] ?? Guest(budget: Self.budget(limits, now), lastCame: now)
        defer { state.guests[key] = guest }
        if limits.perAddress > 0, guest.open >= limits.perAddress { return .perAddress }
        if limits.ratePerAddress > 0 {
            guest.lastCame = now
            if guest.budget.wait(for: 1, now: now) > .zero { return .rate }
            guest.budget.take(1, now: now)
        }
        guest.open += 1
        return nil
    }

    /// Refills by one second's worth per second; holds two.
    private static func budget(_ limits: Limits, _ now: Instant) -> TokenBucket {
        let rate = Double(max(1, limits.ratePerAddress))
        return TokenBucket(capacity: 2 * rate, ratePerSecond: rate, maxDebt: .zero, now: now)
    }

    /// Removes addresses without connections whose budgets are full again.
    private static func forgetIdle(_ now: Instant, _ state: inout State) {
        state.guests = state.guests.filter { $0.value.open > 0 || now - $0.value.lastCame < .seconds(2) }
        state.kept = state.guests.count
    }

    /// Counts a connection refused for want of a descriptor.
    func noteRefusal() {
        state.withLock { state in
            state.refusals[.total, default: 0] += 1
            state.untold[.total, default: 0] += 1
        }
    }

    /// Call when an admitted connection has closed.
    public func release(_ peer: IPAddress?) {
        let key = key(peer)
        state.withLock { state in
            state.open -= 1
            if let key { state.guests[key]?.open -= 1 }
        }
    }

    /// Refusals so far, by reason.
    public var refusals: [Refusal: UInt64] { state.withLock { $0.refusals } }

    /// The refusals since the last summary; nil if the next one is not due.
    func summary(now: Instant) -> [Refusal: Int]? {
        state.withLock { state in
            if let last = state.lastTold, now - last < Self.summaryInterval { return nil }
            state.lastTold = now
            let untold = state.untold
            state.untold = [:]
            return untold.isEmpty ? nil : untold
        }
    }
}
