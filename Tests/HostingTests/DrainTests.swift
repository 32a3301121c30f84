import Testing

@testable import Hosting

/// How a host stops: what works comes to its end, or is suspended; nobody is let go before it has everything.
@Suite struct DrainTests {
    @Test func aHostIsDrainedWhenNothingWorksAndAllIsCommitted() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        let isDrained = { host.on { $0.isDrained } }
        #expect(!isDrained(), "a change is on its way")
        host.end()
        #expect(isDrained())
        counter.isWorking = true
        #expect(!isDrained() && host.on { $0.workingCount } == 1)
        counter.isWorking = false
        counter.waitingCount = 2
        #expect(!isDrained() && host.on { $0.waitingCount } == 2)
        counter.waitingCount = 0
        #expect(isDrained())
    }

    @Test func aDrainTellsThoseAtRest() throws {
        let host = try CounterHost()
        let (resting, working) = (host.make("a"), host.make("b"))
        working.isWorking = true
        host.on { $0.drain() }
        #expect(resting.notices.first == .stopping && working.notices.isEmpty)
        working.isWorking = false
        // The next look is a timer's.
        let deadline = ContinuousClock.now + .seconds(20)
        while working.notices.isEmpty, ContinuousClock.now < deadline { host.turn() }
        #expect(working.notices.first == .stopping)
    }

    @Test func theEndOfWorkIsCommittedBeforeConnectionsClose() throws {
        let host = try CounterHost()
        let stored = host.make("a")
        let memory = host.make("b", lifetime: .inMemory)
        host.end()
        for counter in [stored, memory] { counter.isWorking = true }
        var isClosed = false
        host.on { $0.endAll { isClosed = true } }
        #expect(stored.notices == [.suspended] && memory.notices == [.ended])
        #expect(!isClosed)
        host.end()
        #expect(isClosed)
        #expect(stored.notices == [.suspended, .stopping] && memory.notices == [.ended, .stopping])
    }

    @Test func withoutAStoreTheEndNeedsNoWait() throws {
        let host = try CounterHost(hasStore: false)
        let counter = host.make("a", lifetime: .inMemory)
        counter.isWorking = true
        var isClosed = false
        host.on { residents in
            residents.endAll { isClosed = true }
            #expect(isClosed, "within the call")
        }
        #expect(counter.notices == [.ended, .stopping])
    }

    @Test func aWaitEndsWithItsConditionOrItsTime() async {
        var count = 0
        #expect(
            await Drain.wait(atMost: .seconds(600)) {
                count += 1
                return count == 3
            })
        #expect(await !Drain.wait(atMost: .zero) { false })
    }
}
