import Logging
public import Network
import Synchronization

/// Shares a ``RouteTable`` between the loops. A request takes a short lock at its start and at its end; its tokens take none.
public final class UpstreamRouter: Sendable {
    package typealias Receiver = @Sendable (RouteTable.Answer) -> Void

    private struct State {
        var table: RouteTable
        var receivers: [UInt64: Receiver] = [:]
        /// When the queue is next examined.
        var wakesAt: Instant?
    }

    /// The upstreams in the order of the configuration.
    public let upstreams: [UpstreamConfiguration]
    /// How requests are distributed.
    public let options: RoutingOptions
    private let state: Mutex<State>
    private let learnt = Mutex(LearntHabits())
    let recogniser = Recogniser()

    /// - Parameter upstreams: in order of preference where nothing else decides; the first 64 count.
    public init(_ upstreams: [UpstreamConfiguration], options: RoutingOptions = RoutingOptions()) {
        self.upstreams = Array(upstreams.prefix(UpstreamSet.maxCount))
        self.options = options
        state = Mutex(State(table: RouteTable(upstreams, options: options, now: .monotonicNow)))
    }

    /// The upstreams that serve a model, most preferred group first: by priority, then by how specifically they are configured for
    /// it.
    package func groups(for model: String) -> [UpstreamSet] {
        var groups: [(priority: Int, closeness: ModelPattern.Closeness, members: UpstreamSet)] = []
        for (index, upstream) in upstreams.enumerated() {
            guard let closeness = upstream.closeness(to: model) else { continue }
            if let group = groups.firstIndex(where: { $0.priority == upstream.priority && $0.closeness == closeness }) {
                groups[group].members.insert(index)
            } else {
                groups.append((upstream.priority, closeness, UpstreamSet(index)))
            }
        }
        return groups.sorted { ($0.priority, $0.closeness) < ($1.priority, $1.closeness) }.map(\.members)
    }

    /// Most attempts of a request; never more than two at one upstream.
    package func maxAttempts(_ candidates: UpstreamSet) -> Int { options.maxAttempts ?? max(3, candidates.count) }

    // MARK: Requests

    /// Requests an upstream.
    /// - Parameter receiver: receives the answer on any loop, if the request is queued.
    /// - Precondition: called on an event loop.
    package func acquire(_ request: RouteTable.Request, _ receiver: @escaping Receiver) -> RouteTable.Admission {
        change { state, now in
            let (admission, deliveries) = state.table.acquire(request, now: now)
            if case .waits(let ticket) = admission { state.receivers[ticket] = receiver }
            return (admission, deliveries)
        }
    }

    /// Leaves the queue.
    /// - Returns: nil if the answer is already on its way; a granted lease must then be returned.
    package func withdraw(_ ticket: UInt64, isLate: Bool) -> RouteTable.Refusal? {
        change { state, now in
            let refusal = state.table.withdraw(ticket, isLate: isLate, now: now)
            if refusal != nil { state.receivers[ticket] = nil }
            // Requests behind it may now be admissible.
            return (refusal, state.table.pump(now: now))
        }
    }

    /// Reports the first piece of an answer.
    package func answered(_ lease: RouteTable.Lease) {
        change { state, now in
            state.table.answered(lease)
            return ((), state.table.pump(now: now))
        }
    }

    /// Returns a lease when its request has ended.
    package func end(_ lease: RouteTable.Lease, _ ending: RouteTable.Ending) {
        change { state, now in
            state.table.end(lease, ending, now: now, chance: .random(in: 0..<1))
            return ((), state.table.pump(now: now))
        }
    }

    /// The upstreams for a request whose health admits requests.
    package func healthy(of request: RouteTable.Request) -> UpstreamSet {
        state.withLock { $0.table.healthy(of: request, now: .monotonicNow) }
    }

    // MARK: Habits

    /// - Parameter model: the upstream's own name.
    func habits(of upstream: Int, model: String) -> UpstreamHabits {
        learnt.withLock { $0[LearntHabits.Key(upstream: upstream, model: model)] }
    }

    func learn(_ habits: UpstreamHabits, of upstream: Int, model: String) {
        learnt.withLock { $0[LearntHabits.Key(upstream: upstream, model: model)] = habits }
    }

    // MARK: Health

    /// Probes every upstream each ``RoutingOptions/probeInterval``, until the task is cancelled.
    public func probe(on loop: EventLoop) async {
        guard let interval = options.probeInterval else { return }
        while !Task.isCancelled {
            for (index, upstream) in upstreams.enumerated() {
                let report = await UpstreamProbe.check(upstream, on: loop, timeout: min(interval, .seconds(10)))
                if Task.isCancelled { return }
                if report.wasNotAsked { continue }
                loop.execute { [self] in
                    change { state, now in
                        state.table.probed(index, isWell: report.isServing, now: now, chance: .random(in: 0..<1))
                        return ((), state.table.pump(now: now))
                    }
                }
            }
            try? await Task.sleep(for: interval)
        }
    }

    /// The current state of all upstreams. Thread-safe.
    public var report: RoutingReport {
        state.withLock { state in
            let now = Instant.monotonicNow
            return RoutingReport(state.table, now: now)
        }
    }

    // MARK: Lock

    /// Changes the table, then delivers the results outside of the lock.
    private func change<Result: Sendable>(
        _ body: (inout sending State, Instant) -> (Result, [RouteTable.Delivery])
    ) -> Result {
        let now = Instant.monotonicNow
        let (result, receivers, changes, wake) = state.withLock { state in
            let (result, deliveries) = body(&state, now)
            var receivers: [(Receiver, RouteTable.Answer)] = []
            for delivery in deliveries {
                if let receiver = state.receivers.removeValue(forKey: delivery.ticket) {
                    receivers.append((receiver, delivery.answer))
                }
            }
            var wake: Instant?
            if let next = state.table.nextChange, state.table.waitingCount > 0, next < state.wakesAt ?? .distantFuture {
                state.wakesAt = next
                wake = next
            }
            let changes = state.table.takeChanges()
            return (result, receivers, changes, wake)
        }
        for (receiver, answer) in receivers { receiver(answer) }
        if let loop = EventLoop.current {
            for change in changes { Self.log(change, on: loop) }
            // Slightly late, since an early timer would find nothing changed.
            if let wake { loop.schedule(after: max(.zero, wake - now) + .milliseconds(1)) { [self] in woken() } }
        }
        return result
    }

    private func woken() {
        change { state, now in
            state.wakesAt = nil
            return ((), state.table.pump(now: now))
        }
    }

    private static func log(_ change: RouteMember.Change, on loop: EventLoop) {
        loop.logger.log(
            level: change.to == "open" ? .warning : .notice, "an upstream's circuit breaker changed",
            metadata: ["upstream": "\(change.upstream)", "from": "\(change.from)", "to": "\(change.to)"])
    }
}

extension Instant {
    fileprivate static let distantFuture = Instant(nanoseconds: .max)
}
