import Network
import Testing

@testable import Upstreams

/// A table with a clock that a test moves.
private struct Desk {
    var table: RouteTable
    var now = Instant(nanoseconds: 1_000_000_000_000)

    init(_ upstreams: [UpstreamConfiguration], _ options: RoutingOptions = RoutingOptions()) {
        table = RouteTable(upstreams, options: options, now: now)
    }

    mutating func pass(_ seconds: Double) { now = now + .seconds(seconds) }

    mutating func acquire(_ groups: [UpstreamSet], tokens: Int = 0, excluding: UpstreamSet = []) -> RouteTable.Admission {
        var request = RouteTable.Request(groups: groups, tokens: tokens)
        request.excluded = excluding
        let (admission, others) = table.acquire(request, now: now)
        #expect(others.isEmpty)
        return admission
    }

    mutating func lease(_ groups: [UpstreamSet], tokens: Int = 0, excluding: UpstreamSet = []) -> RouteTable.Lease? {
        if case .answered(.granted(let lease)) = acquire(groups, tokens: tokens, excluding: excluding) { lease } else { nil }
    }

    /// Ends a request and gives who may go now.
    mutating func end(
        _ lease: RouteTable.Lease?, _ verdict: CircuitBreaker.Verdict = .success, rest: Duration? = nil, tokens: Int? = nil
    ) -> [RouteTable.Delivery] {
        guard let lease else {
            Issue.record("there is no lease")
            return []
        }
        table.end(lease, RouteTable.Ending("x", verdict, rest: rest, tokens: tokens), now: now, chance: 0.5)
        return table.pump(now: now)
    }

    /// Opens an upstream's breaker.
    mutating func fail(_ upstream: Int) {
        for _ in 0..<5 { _ = end(lease([UpstreamSet(upstream), UpstreamSet(63)]), .failure) }
    }
}

private func upstream(weight: Int = 1, concurrent: Int? = nil, rpm: Int? = nil, tpm: Int? = nil) -> UpstreamConfiguration {
    var upstream = UpstreamConfiguration(baseURL: "http://h:\(weight)")
    upstream.weight = weight
    upstream.limit = UpstreamLimit(concurrentRequests: concurrent, requestsPerMinute: rpm, tokensPerMinute: tpm)
    return upstream
}

@Suite struct RouteTableTests {
    private static let both: UpstreamSet = [UpstreamSet(0), UpstreamSet(1)]

    // MARK: The choice

    @Test func weightsAreKeptInEveryRun() {
        var desk = Desk([upstream(weight: 5), upstream(weight: 1), upstream(weight: 1)])
        let order = (0..<14).compactMap { _ in
            let lease = desk.lease([[UpstreamSet(0), UpstreamSet(1), UpstreamSet(2)]])
            _ = desk.end(lease)
            return lease?.upstream
        }
        #expect(order == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
    }

    @Test func theLeastBusyForItsWeightIsNextIfWanted() {
        var options = RoutingOptions()
        options.balance = .leastBusy
        var desk = Desk([upstream(weight: 2), upstream(weight: 1)], options)
        let leases = (0..<6).compactMap { _ in desk.lease([Self.both]) }
        #expect(leases.count { $0.upstream == 0 } == 4)
        // One that is slow keeps its requests and gets no more.
        for lease in leases where lease.upstream == 1 { _ = desk.end(lease) }
        #expect(desk.lease([Self.both])?.upstream == 1)
    }

    @Test func theSecondChoiceIsAskedWhenTheFirstIsFullOrBroken() {
        var desk = Desk([upstream(concurrent: 1), upstream()])
        let groups: [UpstreamSet] = [UpstreamSet(0), UpstreamSet(1)]
        let first = desk.lease(groups)
        #expect(first?.upstream == 0 && desk.lease(groups)?.upstream == 1)
        _ = desk.end(first)
        for _ in 0..<5 { _ = desk.end(desk.lease(groups), .failure) }
        #expect(desk.table.members[0].breaker.state.name == "open" && desk.lease(groups)?.upstream == 1)
        desk.pass(10)
        #expect(desk.lease(groups)?.upstream == 0, "one tries")
        #expect(desk.lease(groups)?.upstream == 1, "the others do not")
    }

    @Test func oneThatAsksForAPauseGetsIt() {
        var desk = Desk([upstream(), upstream()])
        let groups: [UpstreamSet] = [UpstreamSet(0), UpstreamSet(1)]
        _ = desk.end(desk.lease(groups), .nothing, rest: .seconds(7))
        #expect(desk.lease(groups)?.upstream == 1)
        desk.pass(6.9)
        #expect(desk.lease(groups)?.upstream == 1)
        desk.pass(0.2)
        #expect(desk.lease(groups)?.upstream == 0)
    }

    @Test func theOnlyUpstreamOfAModelIsAlwaysAsked() {
        var desk = Desk([upstream()])
        for _ in 0..<30 { _ = desk.end(desk.lease([UpstreamSet(0)]), .failure, rest: .seconds(60)) }
        #expect(desk.table.members[0].breaker.state.name == "open" && desk.lease([UpstreamSet(0)]) != nil)
    }

    @Test func whenAllAreBrokenTheRequestIsRefusedWithTheTimeOfTheNextTrial() {
        var desk = Desk([upstream(), upstream()])
        for _ in 0..<10 { _ = desk.end(desk.lease([Self.both]), .failure) }
        desk.pass(2)
        #expect(desk.acquire([Self.both]) == .answered(.refused(.unhealthy(retryAfterSeconds: 3))))
    }

    @Test func whenAllOnlyRestTheRequestWaits() {
        var desk = Desk([upstream(), upstream()])
        for _ in 0..<2 { _ = desk.end(desk.lease([Self.both]), .nothing, rest: .seconds(2)) }
        #expect(desk.acquire([Self.both]) == .waits(ticket: 1))
        #expect(desk.table.nextChange == desk.now + .seconds(2))
        desk.pass(2)
        #expect(desk.table.pump(now: desk.now).map(\.ticket) == [1])
    }

    @Test func aTrialUnderWayIsWaitedForAndDecidesForAll() {
        var desk = Desk([upstream(), upstream()])
        for _ in 0..<10 { _ = desk.end(desk.lease([Self.both]), .failure) }
        desk.pass(6)
        let first = desk.lease([Self.both])
        let second = desk.lease([Self.both])
        #expect(first != nil && second != nil && first?.upstream != second?.upstream)
        #expect(desk.acquire([Self.both]) == .waits(ticket: 1))
        #expect(desk.end(first, .failure).isEmpty)
        guard let second else { return }
        desk.table.answered(second)
        #expect(desk.table.pump(now: desk.now).map(\.ticket) == [1])
    }

    // MARK: Limits and the queue

    @Test func concurrencyIsNeverExceededAndTheQueueIsFair() {
        var desk = Desk([upstream(concurrent: 2), upstream(concurrent: 1)])
        var running = (0..<3).compactMap { _ in desk.lease([Self.both]) }
        #expect(running.count == 3)
        for ticket in 1...20 { #expect(desk.acquire([Self.both]) == .waits(ticket: UInt64(ticket))) }
        var order: [UInt64] = []
        while !running.isEmpty {
            for delivery in desk.end(running.removeFirst()) {
                order.append(delivery.ticket)
                if case .granted(let lease) = delivery.answer { running.append(lease) }
            }
            #expect(desk.table.members[0].inFlight <= 2 && desk.table.members[1].inFlight <= 1)
        }
        #expect(order == Array(1...20) && desk.table.waits.granted == 20)
    }

    @Test func whoComesLaterDoesNotOvertakeWhoNeedsMore() {
        var desk = Desk([upstream(tpm: 1000)])
        #expect(desk.lease([UpstreamSet(0)], tokens: 60) != nil)
        #expect(desk.acquire([UpstreamSet(0)], tokens: 90) == .waits(ticket: 1))
        #expect(desk.acquire([UpstreamSet(0)], tokens: 1) == .waits(ticket: 2), "it would fit")
        desk.pass(5)
        #expect(desk.table.pump(now: desk.now).map(\.ticket) == [1, 2])
    }

    @Test func whoNeedsAnotherUpstreamIsNotHeldUp() {
        var desk = Desk([upstream(concurrent: 1), upstream(concurrent: 1)])
        #expect(desk.lease([UpstreamSet(0)]) != nil)
        #expect(desk.acquire([UpstreamSet(0)]) == .waits(ticket: 1))
        #expect(desk.lease([UpstreamSet(1)])?.upstream == 1)
    }

    @Test func theQueueHasABoundAndADeadline() {
        var options = RoutingOptions()
        options.maxWaiting = 2
        options.waitTimeout = .seconds(3)
        var desk = Desk([upstream(rpm: 1)], options)
        #expect(desk.lease([UpstreamSet(0)]) != nil)
        for _ in 0..<2 { _ = desk.acquire([UpstreamSet(0)]) }
        guard case .answered(.refused(.busy(let seconds))) = desk.acquire([UpstreamSet(0)]) else {
            Issue.record("the queue has no bound")
            return
        }
        #expect(seconds > 59 && seconds < 61)
        desk.pass(3)
        let deliveries = desk.table.pump(now: desk.now)
        #expect(deliveries.map(\.ticket) == [1, 2] && desk.table.waitingCount == 0)
        #expect(desk.table.waits.refused == 2 && desk.table.waits.queueFull == 1)
        // Each of them is told when there is room, not only the first.
        for delivery in deliveries { #expect(retryAfter(delivery.answer).map { $0 > 56 && $0 < 58 } == true) }
    }

    /// One of the two has room earlier, and it is that which counts.
    @Test func whoGivesUpLateIsToldWhenThereIsRoom() {
        var options = RoutingOptions()
        options.waitTimeout = .seconds(3)
        var desk = Desk([upstream(rpm: 1), upstream(rpm: 2)], options)
        for _ in 0..<2 { #expect(desk.lease([Self.both]) != nil) }
        for _ in 0..<3 { _ = desk.acquire([Self.both]) }
        desk.pass(3)
        for ticket: UInt64 in 1...3 {
            let refusal = desk.table.withdraw(ticket, isLate: true, now: desk.now)
            let seconds = refusal.flatMap { retryAfter(.refused($0)) }
            #expect(seconds.map { $0 > 25 && $0 < 29 } == true)
        }
    }

    private func retryAfter(_ answer: RouteTable.Answer) -> Double? {
        if case .refused(.busy(let seconds)) = answer { seconds } else { nil }
    }

    @Test func whoGivesUpLeavesNoTrace() {
        var desk = Desk([upstream(concurrent: 1)])
        let running = desk.lease([UpstreamSet(0)])
        for _ in 0..<3 { _ = desk.acquire([UpstreamSet(0)]) }
        #expect(desk.table.withdraw(1, isLate: false, now: desk.now) != nil)
        #expect(desk.table.withdraw(1, isLate: false, now: desk.now) == nil)
        let next = desk.end(running)
        #expect(next.map(\.ticket) == [2])
        #expect(desk.table.withdraw(2, isLate: false, now: desk.now) == nil, "its answer is on its way")
        #expect(desk.table.waits.cancelled == 1)
    }

    @Test func requestsPerMinuteSendToTheNext() {
        var desk = Desk([upstream(rpm: 20), upstream()])
        let groups: [UpstreamSet] = [UpstreamSet(0), UpstreamSet(1)]
        let order = (0..<5).compactMap { _ in desk.lease(groups)?.upstream }
        #expect(order == [0, 0, 1, 1, 1])
        desk.pass(4)
        #expect(desk.lease(groups)?.upstream == 0)
    }

    @Test func changesOfStateAreTold() {
        var desk = Desk([upstream(), upstream()])
        for _ in 0..<10 { _ = desk.end(desk.lease([Self.both]), .failure) }
        #expect(desk.table.takeChanges().map(\.to) == ["open", "open"] && desk.table.takeChanges().isEmpty)
        desk.pass(6)
        _ = desk.end(desk.lease([Self.both]), .success)
        #expect(desk.table.takeChanges().map(\.to).contains("closed"))
        #expect(desk.table.members[0].transitions["open"] == 1)
    }

    // MARK: By name

    @Test func upstreamsAreFoundByModelPriorityAndCloseness() {
        var spare = UpstreamConfiguration(baseURL: "http://spare")
        spare.priority = 1
        let any = UpstreamConfiguration(baseURL: "http://any")
        var named = UpstreamConfiguration(baseURL: "http://named")
        named.models = [ModelPattern("gpt-*")]
        let router = UpstreamRouter([spare, any, named])
        #expect(router.groups(for: "gpt-4o") == [UpstreamSet(2), UpstreamSet(1), UpstreamSet(0)])
        #expect(router.groups(for: "llama") == [UpstreamSet(1), UpstreamSet(0)])
        #expect(UpstreamRouter([named]).groups(for: "llama").isEmpty)
    }
}
