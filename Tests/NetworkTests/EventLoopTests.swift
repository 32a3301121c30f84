import Logging
import Network
import Synchronization
import Testing

@testable import Network

@Suite struct EventLoopTests {
    @Test func workRunsOnTheLoopInItsOrder() async throws {
        let loops = try Loops()
        let journal = Journal()
        for number in 0..<1000 {
            loops.loop.execute { [loop = loops.loop] in journal.add(loop.isCurrent ? "\(number)" : "elsewhere") }
        }
        _ = await loops.run { _ in true }
        #expect(journal.all == (0..<1000).map(String.init))
        #expect(!loops.loop.isCurrent)
        #expect(EventLoop.current == nil)
    }

    @Test func workThatPostsWorkDoesNotWaitForAnotherWakeUp() async throws {
        let loops = try Loops()
        let depth: Int = await withCheckedContinuation { continuation in
            @Sendable func post(_ depth: Int) {
                if depth == 100 { continuation.resume(returning: depth) } else { loops.loop.execute { post(depth + 1) } }
            }
            loops.loop.execute { post(0) }
        }
        #expect(depth == 100)
    }

    @Test func everyThreadsLettersArriveInTheirOrder() async throws {
        let loops = try Loops()
        let received = Mutex<[[Int]]>(Array(repeating: [], count: 4))
        let loop = loops.loop
        nonisolated(unsafe) let mailOf = { (thread: Int, number: Int) in received.withLock { $0[thread].append(number) } }
        onThreads(4) { thread in
            for number in 0..<5000 { loop.execute { mailOf(thread, number) } }
        }
        _ = await loops.run { _ in true }
        #expect(received.withLock { $0 } == Array(repeating: Array(0..<5000), count: 4))
    }

    @Test func aMailboxAsksForOneWakeUpABatch() {
        let mailbox = Mailbox()
        #expect(!mailbox.hasWork)
        #expect(mailbox.post(.work {}))
        #expect(!mailbox.post(.work {}))
        #expect(mailbox.hasWork)
    }

    // MARK: Timers

    @Test func timersFireByTheirDeadlines() async throws {
        let loops = try Loops()
        let journal = Journal()
        _ = await loops.run { loop in
            for delay in [30, 10, 20, 0] { loop.schedule(after: .milliseconds(delay)) { journal.add("\(delay)") } }
            return true
        }
        #expect(await journal.has("30"))
        #expect(journal.all == ["0", "10", "20", "30"])
    }

    @Test func aTimerIsNeverEarly() async throws {
        let loops = try Loops()
        let elapsed: Duration = await withCheckedContinuation { continuation in
            loops.loop.execute { [loop = loops.loop] in
                let start = Instant.monotonicNow
                loop.schedule(after: .microseconds(20_500)) { continuation.resume(returning: Instant.monotonicNow - start) }
            }
        }
        #expect(elapsed >= .microseconds(20_500))
    }

    @Test func aCancelledTimerNeverFiresAndLetsGoOfWhatItHeld() async throws {
        final class Held: Sendable {}
        let loops = try Loops()
        let journal = Journal()
        let isFreed = await loops.run { loop in
            var held: Held? = Held()
            weak let watched = held
            let timer = loop.schedule(after: .milliseconds(5)) { [held] in
                _ = held
                journal.add("cancelled")
            }
            held = nil
            timer.cancel()
            loop.schedule(after: .milliseconds(20)) { journal.add("after") }
            return watched == nil && !timer.isPending
        }
        #expect(isFreed)
        #expect(await journal.has("after"))
        #expect(journal.all == ["after"])
    }

    @Test func aTimerMayCancelAnotherThatIsDueWithIt() async throws {
        let loops = try Loops()
        let journal = Journal()
        _ = await loops.run { loop in
            let other = LoopBound(LoopTimerBox(), on: loop)
            loop.schedule(after: .milliseconds(5)) {
                journal.add("first")
                other.value.timer?.cancel()
            }
            other.value.timer = loop.schedule(after: .milliseconds(5)) { journal.add("second") }
            loop.schedule(after: .milliseconds(15)) { journal.add("end") }
            return true
        }
        #expect(await journal.has("end"))
        #expect(journal.all == ["first", "end"])
    }

    private final class LoopTimerBox { var timer: LoopTimer? }

    private func nextDue(_ queue: inout TimerQueue, _ now: Instant) -> LoopTimer? {
        guard case .timer(let timer) = queue.popDue(now) else { return nil }
        return timer
    }

    @Test func aHundredThousandCancelledTimersTakeNoRoom() {
        var queue = TimerQueue()
        let now = Instant.monotonicNow
        var kept: [LoopTimer] = []
        for number in 0..<100_000 {
            let timer = LoopTimer(deadline: now + .seconds(75 + number % 7)) {}
            queue.insert(timer)
            if number % 1000 == 0 { kept.append(timer) } else { timer.cancel() }
        }
        #expect(queue.count < 5000)
        var fired = 0
        while let timer = nextDue(&queue, now + .seconds(100)) {
            #expect(timer.isPending)
            fired += 1
        }
        #expect(fired == kept.count)
    }

    @Test(arguments: 0..<20) func timersComeOutSorted(_ seed: Int) {
        var state = UInt64(seed) &+ 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        var queue = TimerQueue()
        var pending: [LoopTimer] = []
        for _ in 0..<3000 {
            switch random(4) {
            case 0...1:
                let timer = LoopTimer(deadline: Instant(nanoseconds: Int64(random(10_000)))) {}
                queue.insert(timer)
                pending.append(timer)
            case 2:
                if !pending.isEmpty { pending.remove(at: random(pending.count)).cancel() }
            default:
                let now = Instant(nanoseconds: Int64(random(3000)))
                let due = pending.map(\.deadline).filter { $0 <= now }.min()
                let timer = nextDue(&queue, now)
                #expect(timer?.deadline == due, "seed \(seed)")
                if let timer { pending.removeAll { $0 === timer } }
            }
        }
        var last = Instant(nanoseconds: 0)
        while let timer = nextDue(&queue, Instant(nanoseconds: 1 << 40)) {
            #expect(timer.deadline >= last, "seed \(seed)")
            last = timer.deadline
            pending.removeAll { $0 === timer }
        }
        #expect(pending.isEmpty, "seed \(seed)")
    }

    @Test(arguments: 0..<20) func connectionsTimersMoveAndGo(_ seed: Int) throws {
        var state = UInt64(seed) &+ 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let loop = try EventLoop(index: 0, logger: Logger(label: "test"))
        let connections = (0..<200).map { _ in Connection(loop: loop, descriptor: -1) }
        var expected: [Instant?] = connections.map { _ in nil }
        var queue = TimerQueue()
        for _ in 0..<5000 {
            let index = random(connections.count)
            switch random(5) {
            case 0...2:
                let deadline = Instant(nanoseconds: Int64(random(10_000)))
                queue.set(connections[index], at: deadline)
                expected[index] = deadline
            case 3:
                queue.remove(connections[index])
                expected[index] = nil
            default:
                // Cancelled timers of the other kind stand between them.
                let other = LoopTimer(deadline: Instant(nanoseconds: Int64(random(10_000)))) {}
                queue.insert(other)
                other.cancel()
            }
            #expect(queue.deadline(of: connections[index]) == expected[index], "seed \(seed)")
        }
        var last = Instant(nanoseconds: 0)
        while case .connection(let connection) = queue.popDue(Instant(nanoseconds: 1 << 40)) {
            let index = try #require(connections.firstIndex { $0 === connection })
            let deadline = try #require(expected[index], "seed \(seed): it was taken out")
            #expect(deadline >= last, "seed \(seed)")
            last = deadline
            expected[index] = nil
            #expect(queue.deadline(of: connection) == nil, "seed \(seed)")
        }
        #expect(expected.allSatisfy { $0 == nil }, "seed \(seed)")
    }

    // MARK: Executor

    @Test func aTaskThatPrefersTheLoopRunsThere() async throws {
        let loops = try Loops(2)
        let (first, second) = (loops.group.loops[0], loops.group.loops[1])
        let here = await Task(executorPreference: first) {
            let before = first.isCurrent
            try? await Task.sleep(for: .milliseconds(2))
            let after = first.isCurrent
            let there = await Task(executorPreference: second) { second.isCurrent && !first.isCurrent }.value
            return [before, after, there, first.isCurrent]
        }.value
        #expect(here == [true, true, true, true])
    }

    @Test func aLoopBoundValueIsReachedFromAnywhere() async throws {
        final class Counter { var value = 0 }
        let loops = try Loops()
        let bound = await loops.run { loop in LoopBound(Counter(), on: loop) }
        for _ in 0..<100 { bound.run { $0.value += 1 } }
        let value = await bound.call { counter in counter.value }
        #expect(value == 100)
    }

    @Test func shuttingDownTwiceIsHarmless() throws {
        let loops = try Loops(2)
        loops.group.shutDown()
        loops.group.shutDown()
    }
}
