package import Network

/// Chooses the upstream of each request and queues requests: the state of all upstreams, free of sockets, clocks and locks.
///
/// Callers pass the time and a random number of 0 ..< 1; ``UpstreamRouter`` shares the table between the loops.
package struct RouteTable: Sendable {
    /// A request for an upstream.
    package struct Request: Sendable {
        /// Upstreams that serve the model, most preferred group first.
        package let groups: [UpstreamSet]
        /// Upstreams among them that must not be used.
        package var excluded: UpstreamSet = []
        /// Estimated tokens of prompt and answer.
        package let tokens: Int
        /// The owner whose share of the queue it uses; empty: unowned.
        package let owner: String

        package init(groups: [UpstreamSet], tokens: Int = 0, owner: String = "") {
            self.groups = groups
            self.tokens = tokens
            self.owner = owner
        }

        /// All upstreams that serve the model.
        package var candidates: UpstreamSet { groups.reduce([]) { $0.union($1) } }
    }

    /// The right to send one request to an upstream, to be returned by ``RouteTable/end(_:_:now:chance:)``.
    package struct Lease: Sendable, Equatable {
        /// Index of the upstream.
        package let upstream: Int
        let pass: CircuitBreaker.Pass
        let tokens: Int
    }

    /// Why no upstream is available.
    package enum Refusal: Error, Sendable, Hashable {
        /// All are at their limits, and the queue is full or the wait has timed out.
        case busy(retryAfterSeconds: Double)
        /// The circuit breakers of all that serve the model are open.
        case unhealthy(retryAfterSeconds: Double)
    }

    /// The outcome of a leased request.
    package struct Ending: Sendable {
        /// Label for counters: `completed`, `cancelled`, or the kind of failure.
        package var outcome: String
        /// The evidence about the upstream's health.
        package var verdict: CircuitBreaker.Verdict
        /// The pause that the upstream asked for.
        package var rest: Duration?
        /// Tokens of prompt and answer, if known.
        package var tokens: Int?

        package init(
            _ outcome: String, _ verdict: CircuitBreaker.Verdict, rest: Duration? = nil, tokens: Int? = nil
        ) {
            self.outcome = outcome
            self.verdict = verdict
            self.rest = rest
            self.tokens = tokens
        }
    }

    /// The result of a request for an upstream.
    package enum Answer: Sendable, Equatable {
        case granted(Lease)
        case refused(Refusal)
    }

    /// The immediate result of a request for an upstream.
    package enum Admission: Sendable, Equatable {
        case answered(Answer)
        /// Queued; ``RouteTable/pump(now:)`` delivers the answer.
        case waits(ticket: UInt64)
    }

    /// The answer to a queued request.
    package struct Delivery: Sendable, Equatable {
        package let ticket: UInt64
        package let answer: Answer
    }

    private struct Waiting {
        let ticket: UInt64
        let request: Request
        let deadline: Instant
    }

    package let options: RoutingOptions
    /// The state of each upstream, by index.
    package internal(set) var members: [RouteMember]
    private var waiting: [Waiting] = []
    private var lastTicket: UInt64 = 0
    /// Statistics of the queue.
    package private(set) var waits = WaitCounts()
    /// When a limit or pause next admits a queued request; nil if only the end of another request does.
    package internal(set) var nextChange: Instant?
    /// Transitions not reported yet.
    package internal(set) var changes: [RouteMember.Change] = []

    /// Number of queued requests, by outcome.
    package struct WaitCounts: Sendable {
        package var begun: UInt64 = 0
        package var granted: UInt64 = 0
        package var refused: UInt64 = 0
        package var cancelled: UInt64 = 0
        package var queueFull: UInt64 = 0
    }

    /// - Parameter upstreams: in order of preference; the first 64 count.
    package init(_ upstreams: [UpstreamConfiguration], options: RoutingOptions, now: Instant) {
        self.options = options
        members = upstreams.prefix(UpstreamSet.maxCount).map { RouteMember($0, breaker: options.breaker, now: now) }
    }

    /// Number of requests in the queue.
    package var waitingCount: Int { waiting.count }

    // MARK: Leases and the queue

    /// Whether an owner has used its share of the queue: a quarter is reserved for others.
    private func isShareUsedUp(_ owner: String) -> Bool {
        let share = options.maxWaiting - options.maxWaiting / 4
        guard waiting.count >= share, !owner.isEmpty else { return false }
        return waiting.count { $0.request.owner == owner } >= share
    }

    /// Requests an upstream. Never overtakes a queued request.
    package mutating func acquire(_ request: Request, now: Instant) -> (admission: Admission, deliveries: [Delivery]) {
        if waiting.isEmpty {
            var taken: UpstreamSet = []
            nextChange = nil
            switch pick(request, taken: &taken, now: now, deadline: now + options.waitTimeout) {
            case .granted(let lease): return (.answered(.granted(lease)), [])
            case .refused(let refusal): return (.answered(.refused(refusal)), [])
            case nil: break
            }
        }
        if waiting.count >= options.maxWaiting || isShareUsedUp(request.owner) {
            waits.queueFull += 1
            return (.answered(.refused(busy(request, now))), [])
        }
        lastTicket += 1
        waiting.append(Waiting(ticket: lastTicket, request: request, deadline: now + options.waitTimeout))
        waits.begun += 1
        var deliveries = pump(now: now)
        guard let own = deliveries.firstIndex(where: { $0.ticket == lastTicket }) else {
            return (.waits(ticket: lastTicket), deliveries)
        }
        return (.answered(deliveries.remove(at: own).answer), deliveries)
    }

    /// Admits queued requests in FIFO order: a request never overtakes an earlier one that waits for the same upstream, however
    /// small it is.
    package mutating func pump(now: Instant) -> [Delivery] {
        nextChange = nil
        if waiting.isEmpty { return [] }
        var deliveries: [Delivery] = []
        var taken: UpstreamSet = []
        var remaining: [Waiting] = []
        for (index, entry) in waiting.enumerated() {
            // Once every upstream is waited for, the rest of the queue need not be examined: this keeps a long queue cheap.
            if taken.count == members.count {
                remaining += waiting[index...]
                break
            }
            if now >= entry.deadline {
                deliveries.append(Delivery(ticket: entry.ticket, answer: .refused(busy(entry.request, now))))
                waits.refused += 1
                continue
            }
            switch pick(entry.request, taken: &taken, now: now, deadline: entry.deadline) {
            case .granted(let lease):
                deliveries.append(Delivery(ticket: entry.ticket, answer: .granted(lease)))
                waits.granted += 1
            case .refused(let refusal):
                deliveries.append(Delivery(ticket: entry.ticket, answer: .refused(refusal)))
                waits.refused += 1
            case nil: remaining.append(entry)
            }
        }
        waiting = remaining
        return deliveries
    }

    /// Removes a request from the queue, cancelled or timed out.
    /// - Returns: nil if its answer is already on its way.
    package mutating func withdraw(_ ticket: UInt64, isLate: Bool, now: Instant) -> Refusal? {
        guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        let request = waiting.remove(at: index).request
        if isLate { waits.refused += 1 } else { waits.cancelled += 1 }
        return busy(request, now)
    }

    /// Reports the first piece of an answer.
    package mutating func answered(_ lease: Lease) {
        watch(lease.upstream) { $0.breaker.answered(lease.pass) }
    }

    /// Returns a lease when its request has ended.
    package mutating func end(_ lease: Lease, _ ending: Ending, now: Instant, chance: Double) {
        watch(lease.upstream) { member in
            member.inFlight -= 1
            member.outcomes[ending.outcome, default: 0] += 1
            member.breaker.ended(lease.pass, ending.verdict, now: now, chance: chance)
            if let rest = ending.rest { member.rest(until: now + rest) }
            if let tokens = ending.tokens { member.tokens?.take(Double(tokens) - Double(lease.tokens), now: now) }
        }
    }

    /// Records the result of a health probe.
    package mutating func probed(_ upstream: Int, isWell: Bool, now: Instant, chance: Double) {
        watch(upstream) { $0.breaker.probed(isWell: isWell, now: now, chance: chance) }
    }

    /// The transitions since the last call.
    package mutating func takeChanges() -> [RouteMember.Change] {
        defer { changes = [] }
        return changes
    }

    /// The candidates whose health admits requests.
    package mutating func healthy(of request: Request, now: Instant) -> UpstreamSet {
        let candidates = request.candidates
        var healthy: UpstreamSet = []
        candidates.forEach { index in
            watch(index) { $0.breaker.refresh(now: now) }
            if candidates.count == 1 || members[index].isHealthy(now) { healthy.insert(index) }
        }
        return healthy
    }

    /// - Returns: a refusal with the time at which an upstream for the request next has capacity, ignoring competing requests; the
    ///   end of another request may free capacity at any time.
    private mutating func busy(_ request: Request, _ now: Instant) -> Refusal {
        var soonest: Instant?
        request.candidates.subtracting(request.excluded).forEach { index in
            let rested = members[index].rest(now).map { now + $0 }
            let at: Instant? = if case .at(let time) = members[index].room(for: request.tokens, now: now) { time } else { nil }
            guard let free = [rested, at].compactMap(\.self).max() else { return }
            soonest = min(soonest ?? free, free)
        }
        return .busy(retryAfterSeconds: max(1, soonest.map { ($0 - now).seconds } ?? 1))
    }

    /// Modifies an upstream's state and records any transition of its breaker.
    @discardableResult
    mutating func watch<Result>(_ index: Int, _ body: (inout RouteMember) -> Result) -> Result {
        let before = members[index].breaker.state.name
        let result = body(&members[index])
        let after = members[index].breaker.state.name
        if before != after {
            members[index].transitions[after, default: 0] += 1
            changes.append(RouteMember.Change(upstream: members[index].configuration.name, from: before, to: after))
        }
        return result
    }
}
