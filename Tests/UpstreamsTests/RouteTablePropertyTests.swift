import Network
import Testing

@testable import Upstreams

/// Requests that come, wait, go, fail and give up at random, by a seed that a failure names.
@Suite struct RouteTablePropertyTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        /// SplitMix64.
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private static func upstream(_ index: Int, _ random: inout Random) -> UpstreamConfiguration {
        var upstream = UpstreamConfiguration(baseURL: "http://u\(index)")
        upstream.weight = Int.random(in: 1...5, using: &random)
        if Bool.random(using: &random) { upstream.limit.concurrentRequests = Int.random(in: 1...4, using: &random) }
        if Bool.random(using: &random) { upstream.limit.requestsPerMinute = Int.random(in: 1...600, using: &random) }
        if Bool.random(using: &random) { upstream.limit.tokensPerMinute = Int.random(in: 10...10_000, using: &random) }
        return upstream
    }

    @Test(arguments: 1...60)
    func nobodyIsLostAndNoLimitIsExceeded(_ seed: UInt64) {
        var random = Random(state: seed)
        let count = Int.random(in: 1...6, using: &random)
        var options = RoutingOptions()
        options.maxWaiting = Int.random(in: 0...20, using: &random)
        options.balance = Bool.random(using: &random) ? .weighted : .leastBusy
        let upstreams = (0..<count).map { Self.upstream($0, &random) }
        var now = Instant(nanoseconds: 1 << 40)
        var table = RouteTable(upstreams, options: options, now: now)
        var running: [RouteTable.Lease] = []
        var waiting: Set<UInt64> = []
        var asked = [Int](repeating: 0, count: count)

        func take(_ answer: RouteTable.Answer) {
            guard case .granted(let lease) = answer else { return }
            running.append(lease)
            asked[lease.upstream] += 1
        }
        func deliver(_ deliveries: [RouteTable.Delivery]) {
            for delivery in deliveries {
                #expect(waiting.remove(delivery.ticket) != nil, "seed \(seed): an answer for nobody")
                take(delivery.answer)
            }
        }
        for _ in 0..<600 {
            now = now + .milliseconds(Int.random(in: 0...400, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                var sets: [UpstreamSet] = [[], []]
                for index in 0..<count where Bool.random(using: &random) { sets[index % 2].insert(index) }
                if sets.allSatisfy(\.isEmpty) { sets[0].insert(0) }
                let request = RouteTable.Request(groups: sets.filter { !$0.isEmpty }, tokens: .random(in: 0...300, using: &random))
                let (admission, others) = table.acquire(request, now: now)
                switch admission {
                case .answered(let answer): take(answer)
                case .waits(let ticket): waiting.insert(ticket)
                }
                deliver(others)
            case 5..<8 where !running.isEmpty:
                let lease = running.remove(at: .random(in: 0..<running.count, using: &random))
                let verdicts: [CircuitBreaker.Verdict] = [.success, .success, .failure, .nothing]
                let verdict = verdicts.randomElement(using: &random) ?? .success
                let rest: Duration? = Int.random(in: 0..<8, using: &random) == 0 ? .seconds(2) : nil
                table.end(
                    lease, RouteTable.Ending("x", verdict, rest: rest, tokens: .random(in: 0...300, using: &random)), now: now,
                    chance: .random(in: 0..<1, using: &random))
                deliver(table.pump(now: now))
            case 8:
                if let ticket = waiting.randomElement(using: &random) {
                    #expect(table.withdraw(ticket, isLate: false, now: now) != nil)
                    waiting.remove(ticket)
                }
                deliver(table.pump(now: now))
            default: deliver(table.pump(now: now))
            }
            for (index, member) in table.members.enumerated() {
                #expect(member.inFlight == running.count { $0.upstream == index }, "seed \(seed)")
                #expect(member.inFlight <= member.configuration.limit.concurrentRequests ?? .max, "seed \(seed)")
            }
            #expect(table.waitingCount == waiting.count && waiting.count <= options.maxWaiting, "seed \(seed)")
        }
        // At their deadline all who wait have an answer.
        now = now + options.waitTimeout
        deliver(table.pump(now: now))
        #expect(waiting.isEmpty && table.waitingCount == 0, "seed \(seed)")
        let minutes = (now - Instant(nanoseconds: 1 << 40)).seconds / 60
        for (index, upstream) in upstreams.enumerated() {
            if let limit = upstream.limit.requestsPerMinute {
                #expect(Double(asked[index]) <= Double(limit) * (minutes.rounded(.up)), "seed \(seed)")
            }
        }
    }
}
