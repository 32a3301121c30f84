package import Network

/// Which upstream is asked next, and who waits for one: the state of all upstreams, without a socket, a clock or a lock.
///
/// Callers pass the time and a random number of 0 ..< 1; ``UpstreamRouter`` shares it between the loops.
package struct RouteTable: Sendable {
    /// What is asked for.
    package struct Request: Sendable {
        /// Upstreams that serve the model, those to be preferred first.
        package let groups: [UpstreamSet]
        /// Not to be asked, of those.
        package var excluded: UpstreamSet = []
        /// Estimate of the tokens of prompt and answer.
        package let tokens: Int
        /// Whose share of the queue it counts for; empty: nobody's.
        package let owner: String

        package init(groups: [UpstreamSet], tokens: Int = 0, owner: String = "") {
            self.groups = groups
            self.tokens = tokens
            self.owner = owner
        }

        package var candidates: UpstreamSet { groups.reduce([]) { $0.union($1) } }
    }

    /// An upstream that may be asked: a place among its requests, to be given back by ``RouteTable/end(_:_:now:chance:)``.
    package struct Lease: Sendable, Equatable {
        package let upstream: Int
        let pass: CircuitBreaker.Pass
        let tokens: Int
    }

    package enum Refusal: Error, Sendable, Hashable {
        /// All are at their limits, and the queue is full or the time is over.
        case busy(retryAfterSeconds: Double)
        /// All that serve the model are left alone for their failures.
        case unhealthy(retryAfterSeconds: Double)
    }

    /// How a leased request ended.
    package struct Ending: Sendable {
        /// For counters: `completed`, `cancelled`, or what went wrong.
        package var outcome: String
        package var verdict: CircuitBreaker.Verdict
        /// The upstream asked to be left alone for so long.
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

    package enum Answer: Sendable, Equatable {
        case granted(Lease)
        case refused(Refusal)
    }

    package enum Admission: Sendable, Equatable {
        case answered(Answer)
        /// The answer comes by ``RouteTable/pump(now:)``.
        case waits(ticket: UInt64)
    }

    /// For whom the wait is over.
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
    package internal(set) var members: [RouteMember]
    private var waiting: [Waiting] = []
    private var lastTicket: UInt64 = 0
    package private(set) var waits = WaitCounts()
    /// When a limit or rest next admits a waiting request; nil if only the end of another request does.
    package internal(set) var nextChange: Instant?
    /// Changes of state not told yet.
    package internal(set) var changes: [RouteMember.Change] = []

    package struct WaitCounts: Sendable {
        package var begun: UInt64 = 0
        package var granted: UInt64 = 0
        package var refused: UInt64 = 0
        package var cancelled: UInt64 = 0
        package var queueFull: UInt64 = 0
    }

    package init(_ upstreams: [UpstreamConfiguration], options: RoutingOptions, now: Instant) {
        self.options = options
        members = upstreams.prefix(UpstreamSet.maxCount).map { RouteMember($0, breaker: options.breaker, now: now) }
    }

    package var waitingCount: Int { waiting.count }

    // MARK: Coming, waiting, going

    /// Whether an owner has as much of the queue as one may: a quarter is left for others.
    private func isShareUsedUp(_ owner: String) -> Bool {
        let share = options.maxWaiting - options.maxWaiting / 4
        guard waiting.count >= share, !owner.isEmpty else { return false }
        return waiting.count { $0.request.owner == owner } >= share
    }

    /// Asks for an upstream. Nobody who waits already is overtaken.
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

    /// Admits waiting requests in FIFO order: a request never overtakes an earlier one that waits for the same upstream, however
    /// little it needs.
    package mutating func pump(now: Instant) -> [Delivery] {
        nextChange = nil
        if waiting.isEmpty { return [] }
        var deliveries: [Delivery] = []
        var taken: UpstreamSet = []
        var kept: [Waiting] = []
        for (index, entry) in waiting.enumerated() {
            // What nobody can have needs no asking: with a long queue this is what keeps it cheap.
            if taken.count == members.count {
                kept += waiting[index...]
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
            case nil: kept.append(entry)
            }
        }
        waiting = kept
        return deliveries
    }

    /// Ends a wait: cancelled, or timed out.
    /// - Returns: nil when its answer is on its way.
    package mutating func withdraw(_ ticket: UInt64, isLate: Bool, now: Instant) -> Refusal? {
        guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        let request = waiting.remove(at: index).request
        if isLate { waits.refused += 1 } else { waits.cancelled += 1 }
        return busy(request, now)
    }

    /// The first piece of an answer came.
    package mutating func answered(_ lease: Lease) {
        watch(lease.upstream) { $0.breaker.answered(lease.pass) }
    }

    /// A request is over: its place is free.
    package mutating func end(_ lease: Lease, _ ending: Ending, now: Instant, chance: Double) {
        watch(lease.upstream) { member in
            member.inFlight -= 1
            member.outcomes[ending.outcome, default: 0] += 1
            member.breaker.ended(lease.pass, ending.verdict, now: now, chance: chance)
            if let rest = ending.rest { member.rest(until: now + rest) }
            if let tokens = ending.tokens { member.tokens?.take(Double(tokens) - Double(lease.tokens), now: now) }
        }
    }

    package mutating func probed(_ upstream: Int, isWell: Bool, now: Instant, chance: Double) {
        watch(upstream) { $0.breaker.probed(isWell: isWell, now: now, chance: chance) }
    }

    /// Changes of state since the last call.
    package mutating func takeChanges() -> [RouteMember.Change] {
        defer { changes = [] }
        return changes
    }

    /// Those that may be asked, as far as their health goes.
    package mutating func healthy(of request: Request, now: Instant) -> UpstreamSet {
        let candidates = request.candidates
        var healthy: UpstreamSet = []
        candidates.forEach { index in
            watch(index) { $0.breaker.refresh(now: now) }
            if candidates.count == 1 || members[index].isHealthy(now) { healthy.insert(index) }
        }
        return healthy
    }

    /// - Returns: a refusal with the time at which an upstream for the request next has capacity, ignoring competing requests;
    ///   capacity freed by another request's end may come at any time.
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

    /// Does something with an upstream and notes a change of its state.
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
