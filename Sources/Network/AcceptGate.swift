public import Bytes
import Synchronization

/// Decides which new connections are taken: so many in all, so many from one address at a time, so many from it in a second.
///
/// The loops of a server share one, since the kernel spreads an address's connections over all of them: a short lock, taken when
/// a connection comes and when it goes, never for its bytes.
public final class AcceptGate: Sendable {
    /// 0 stands for no limit.
    public struct Limits: Sendable, Equatable {
        /// Connections open at a time.
        public var total = 0
        /// Connections of one address (of one /64 in IPv6) open at a time.
        public var perAddress = 0
        /// New connections of one address in a second; twice as many may come at once.
        public var ratePerAddress = 0
        /// Whether the limits per address hold for this machine's own addresses too. A proxy on this machine has one of them.
        public var includesLoopback = false

        public init() {}
    }

    /// Why a connection was not taken.
    public enum Refusal: String, CaseIterable, Sendable {
        case total
        case perAddress = "per_address"
        case rate
    }

    private struct Guest {
        var open = 0
        /// Connections that may come.
        var budget: TokenBucket
        var lastCame: Instant
    }

    private struct State {
        var open = 0
        var guests: [IPAddress: Guest] = [:]
        var refusals: [Refusal: UInt64] = [:]
        /// For the summary in the log.
        var untold: [Refusal: Int] = [:]
        var lastTold: Instant?
        /// Entries after the last clean-up.
        var kept = 0
    }

    /// How often refusals are summarised in the log, at most.
    private static let summaryInterval = Duration.seconds(10)

    public let limits: Limits
    private let state = Mutex(State())

    public init(_ limits: Limits = Limits()) { self.limits = limits }

    private func key(_ peer: IPAddress?) -> IPAddress? {
        guard limits.perAddress > 0 || limits.ratePerAddress > 0, let peer else { return nil }
        return peer.isLoopback && !limits.includesLoopback ? nil : peer.network
    }

    /// Takes a connection in, or says why not. One that was taken is given back by ``release(_:)``.
    /// - Parameters:
    ///   - peer: nil for a Unix socket: only the limit in all counts.
    ///   - descriptor: the connection's, whose number tells how many there are: ``DescriptorLimits``.
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

    /// A second's worth flows in each second, and two may come at once.
    private static func budget(_ limits: Limits, _ now: Instant) -> TokenBucket {
        let rate = Double(max(1, limits.ratePerAddress))
        return TokenBucket(capacity: 2 * rate, ratePerSecond: rate, maxDebt: .zero, now: now)
    }

    /// Addresses without a connection whose budgets are full again by now.
    private static func forgetIdle(_ now: Instant, _ state: inout State) {
        state.guests = state.guests.filter { $0.value.open > 0 || now - $0.value.lastCame < .seconds(2) }
        state.kept = state.guests.count
    }

    /// A connection was refused before anything could be asked about it: there was no descriptor for it.
    func noteRefusal() {
        state.withLock { state in
            state.refusals[.total, default: 0] += 1
            state.untold[.total, default: 0] += 1
        }
    }

    /// A connection that was admitted is gone.
    public func release(_ peer: IPAddress?) {
        let key = key(peer)
        state.withLock { state in
            state.open -= 1
            if let key { state.guests[key]?.open -= 1 }
        }
    }

    /// Refusals so far, by reason.
    public var refusals: [Refusal: UInt64] { state.withLock { $0.refusals } }

    /// What was refused since the last summary, when it is time for another one.
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
