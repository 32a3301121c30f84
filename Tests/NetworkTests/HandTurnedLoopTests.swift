import Glibc
import Logging
import Synchronization
import Testing

@testable import Network

/// A loop that has no thread, under a clock that only the test moves.
@Suite struct HandTurnedLoopTests {
    private let clock = LoopClock.manual()

    private func makeLoop() throws -> EventLoop {
        try EventLoop(index: 0, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    // MARK: Time

    @Test func timersGoByTheManualClock() throws {
        let loop = try makeLoop()
        defer { loop.end() }
        var fired: [Int] = []
        loop.enter {
            for seconds in [3, 1, 2, 0] { loop.schedule(after: .seconds(seconds)) { fired.append(seconds) } }
        }
        loop.turnOnce()
        #expect(fired == [0])
        clock.advance(by: .milliseconds(999))
        loop.turnOnce()
        #expect(fired == [0])
        clock.advance(by: .milliseconds(1))
        loop.turnOnce()
        #expect(fired == [0, 1])
        clock.advance(by: .seconds(3600))
        loop.turnOnce()
        #expect(fired == [0, 1, 2, 3], "all that are due, in the order of their deadlines")
    }

    @Test func aLoopsTimeStandsStillWithinAnIteration() throws {
        let loop = try makeLoop()
        defer { loop.end() }
        let start = loop.now
        var seen: [Instant] = []
        loop.execute { [clock] in clock.advance(by: .seconds(1)) }
        loop.enter { loop.schedule(after: .zero) { seen.append(loop.now) } }
        loop.turnOnce()
        #expect(seen == [start])
        #expect(loop.now == start)
        loop.turnOnce()
        #expect(loop.now == start + .seconds(1))
    }

    @Test func theTimeOfDayMovesWithIt() throws {
        let loop = try makeLoop()
        let start = loop.unixTime
        clock.advance(by: .milliseconds(1500))
        #expect(loop.unixTime == start + 1)
        clock.advance(by: .milliseconds(500))
        #expect(loop.unixTime == start + 2)
        #expect(abs(LoopClock.system.unixTime - time(nil)) <= 1)
    }

    @Test func theSystemsClockIsTheKernels() {
        let before = Instant.monotonicNow
        let now = LoopClock.system.now
        #expect(before <= now && now <= Instant.monotonicNow)
    }

    // MARK: Iterations

    @Test func aTurnWaitsForNothing() throws {
        let loop = try makeLoop()
        defer { loop.end() }
        loop.enter { loop.schedule(after: .seconds(3600)) {} }
        let start = Instant.monotonicNow
        for _ in 0..<100 { loop.turnOnce() }
        #expect(Instant.monotonicNow - start < .seconds(60))
    }

    @Test func anIterationHasItsOrder() throws {
        let loop = try makeLoop()
        defer { loop.end() }
        let (near, far) = try LoopDrive.pair()
        defer { close(far) }
        let journal = Mutex<[String]>([])
        @Sendable func note(_ word: String) { journal.withLock { $0.append(word) } }
        try loop.enter {
            let channel = NotingChannel(loop: loop, descriptor: near) { note("ready") }
            try loop.register(channel, interest: .readable)
            loop.schedule(after: .zero) { note("timer") }
        }
        var byte: UInt8 = 1
        #expect(write(far, &byte, 1) == 1)
        loop.execute {
            note("work")
            loop.execute { note("more work") }
            loop.afterFlush { note("flushed") }
        }
        #expect(journal.withLock { $0 }.isEmpty, "nothing runs by itself")
        loop.turnOnce()
        #expect(journal.withLock { $0 } == ["ready", "timer", "work", "more work", "flushed"])
    }

    // MARK: Where it runs

    @Test func theLoopIsCurrentOnlyWhileItTurns() throws {
        let loop = try makeLoop()
        defer { loop.end() }
        #expect(!loop.isCurrent)
        #expect(loop.isIsolatingCurrentContext() == false)
        let wasCurrent = Mutex(false)
        loop.execute {
            loop.checkIsolated()
            wasCurrent.withLock { $0 = EventLoop.current === loop }
        }
        loop.turnOnce()
        #expect(wasCurrent.withLock { $0 })
        #expect(!loop.isCurrent)
        #expect(loop.enter { loop.isCurrent })
        #expect(EventLoop.current == nil)
    }

    @Test func aLoopEnteredWithinAnotherGivesItsPlaceBack() throws {
        let (first, second) = (try makeLoop(), try makeLoop())
        defer {
            first.end()
            second.end()
        }
        first.enter {
            second.enter { #expect(second.isCurrent && !first.isCurrent) }
            #expect(first.isCurrent)
        }
    }

    @Test func whatOneLoopPostsToAnotherRunsWhenThatTurns() throws {
        let (first, second) = (try makeLoop(), try makeLoop())
        defer {
            first.end()
            second.end()
        }
        let bound = second.enter { LoopBound(Counter(), on: second) }
        first.execute { bound.run { $0.value += 1 } }
        first.turnOnce()
        #expect(second.enter { bound.value.value } == 0)
        second.turnOnce()
        #expect(second.enter { bound.value.value } == 1)
    }

    @Test func aTaskThatPrefersTheLoopRunsInItsTurns() async throws {
        let loop = try makeLoop()
        defer { loop.end() }
        let steps = Mutex<[Bool]>([])
        let isDone = Mutex(false)
        let task = Task(executorPreference: loop) {
            steps.withLock { $0.append(loop.isCurrent) }
            await Task.yield()
            steps.withLock { $0.append(loop.isCurrent) }
            isDone.withLock { $0 = true }
        }
        var turns = 0
        while !isDone.withLock({ $0 }), turns < 100_000 {
            loop.turnOnce()
            turns += 1
            await Task.yield()
        }
        await task.value
        #expect(steps.withLock { $0 } == [true, true])
    }

    @Test func anActorOfTheLoopIsIsolatedInItsTurns() async throws {
        let loop = try makeLoop()
        defer { loop.end() }
        let resident = Resident(loop)
        let isDone = Mutex(false)
        let task = Task {
            let value = await resident.increment()
            isDone.withLock { $0 = true }
            return value
        }
        var turns = 0
        while !isDone.withLock({ $0 }), turns < 1_000_000 {
            loop.turnOnce()
            turns += 1
            await Task.yield()
        }
        #expect(await task.value == 1)
        // Whoever has entered the loop is within the actor's isolation, too.
        #expect(loop.enter { resident.assumeIsolated { $0.count } } == 1)
    }

    // MARK: The end

    @Test func theEndLetsGoOfWhatLivedThere() throws {
        weak var watched: Counter?
        do {
            let loop = try makeLoop()
            let counter = Counter()
            watched = counter
            loop.enter { loop.schedule(after: .seconds(1)) { counter.value += loop.index } }
            loop.end()
        }
        #expect(watched == nil)
    }
}

private final class Counter { var value = 0 }

private actor Resident {
    private let loop: EventLoop
    private(set) var count = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(_ loop: EventLoop) { self.loop = loop }

    func increment() -> Int {
        loop.checkIsolated()
        count += 1
        return count
    }
}

private final class NotingChannel: Channel {
    private let note: () -> Void

    init(loop: EventLoop, descriptor: Int32, _ note: @escaping () -> Void) {
        self.note = note
        super.init(loop: loop, descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness) { note() }

    override func loopStopped() { close(descriptor) }
}
