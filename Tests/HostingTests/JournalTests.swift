import Testing

@testable import Hosting

/// The group commit: what leaves together, what is told when, and what becomes of a store that is slow, full or wrong.
@Suite struct JournalTests {
    @Test func theChangesOfAnIterationLeaveTogether() throws {
        let host = try CounterHost()
        let (first, second) = (host.make("a"), host.make("b"))
        host.end()
        host.on { _ in
            first.add(1)
            second.add(1)
            first.add(1)
        }
        host.on { _ in second.add(1) }
        #expect(host.store.pending() == [["a", "b", "a"], ["b"]])
    }

    @Test func aChangeIsCommittedWhenTheStoreSaysSo() throws {
        let host = try CounterHost()
        let counter = host.make("a", value: 5)
        var order: [String] = []
        host.on { residents in
            residents.journal?.whenCommitted(counter) { order.append("counter at \(counter.committedValue)") }
            residents.journal?.whenCommitted { order.append("all") }
        }
        #expect(order.isEmpty && counter.committedValue == 0 && !counter.isCommitted)
        host.store.end()
        #expect(order.isEmpty, "the loop has not turned")
        host.turn()
        #expect(order == ["counter at 5", "all"])
        #expect(counter.isCommitted && host.store.rows["a"]?.value == 5)
    }

    @Test func whatIsCommittedNeedsNoWait() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.end()
        var isTold = false
        host.on { residents in
            residents.journal?.whenCommitted(counter) { isTold = true }
            #expect(isTold, "within the call")
        }
    }

    @Test func aWaitIsForWhatWasWrittenBeforeIt() throws {
        let host = try CounterHost()
        let (first, second) = (host.make("a"), host.make("b"))
        var told: [String] = []
        host.on { $0.journal?.whenCommitted(first) { told.append("a") } }
        host.on { residents in
            second.add(1)
            residents.journal?.whenCommitted(second) { told.append("b") }
        }
        // The batch that made the first one.
        host.end(1)
        #expect(told == ["a"])
        host.end(1)
        #expect(told == ["a"])
        host.end(1)
        #expect(told == ["a", "b"])
    }

    @Test func severalBatchesOfOneCommitAreToldInTheirOrder() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        var values: [Int] = []
        for _ in 0..<3 {
            host.on { residents in
                counter.add(1)
                residents.journal?.whenCommitted(counter) { values.append(counter.committedValue) }
            }
        }
        host.end()
        #expect(values == [2, 3, 4])
    }

    @Test func aRefusedChangeLosesItsObjectsAndNoOther() throws {
        let host = try CounterHost()
        let (lost, other) = (host.make("a"), host.make("b"))
        host.end()
        var isTold = false
        host.on { residents in
            lost.add(10)
            residents.journal?.whenCommitted(lost) { isTold = true }
        }
        host.end(1, .refused(reason: "a fault"))
        #expect(lost.notices == [.lost, .abandoned])
        #expect(!isTold && lost.committedValue == 1, "nobody is told that it is committed")
        #expect(!host.isResident("a") && host.isResident("b"))
        host.on { _ in
            lost.add(1)
            other.add(1)
        }
        #expect(host.store.pending() == [["b"]], "what follows a loss is not stored")
        let found = host.find("a")
        #expect(found.reference.map { host.counter($0).value } == 1, "what the store has is what counts")
    }

    @Test func aClosedStoreTellsNobody() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        var isTold = false
        host.on { $0.journal?.whenCommitted(counter) { isTold = true } }
        host.end(1, .closed)
        #expect(!isTold && !counter.isCommitted && counter.notices.isEmpty)
        #expect(host.on { $0.journal?.isCommitted } == false)
    }

    @Test func aStallIsToldToThoseThatWaitForTheStore() throws {
        let host = try CounterHost()
        let (waiting, other) = (host.make("a"), host.make("b"))
        host.end()
        host.on { _ in waiting.add(1) }
        host.advance(by: JournalLimits.stallDuration - .seconds(1))
        host.sweep()
        #expect(waiting.notices.isEmpty)
        host.advance(by: .seconds(1))
        host.sweep()
        #expect(waiting.notices == [.stalled] && other.notices.isEmpty)
        host.end()
        host.sweep()
        #expect(waiting.notices == [.stalled], "it is over")
    }

    @Test func aStallCountsFromTheOldestBatch() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.advance(by: .seconds(15))
        host.on { _ in counter.add(1) }
        host.advance(by: .seconds(5))
        #expect(host.on { $0.journal?.isStalled } == true)
        host.end(1)
        #expect(host.on { $0.journal?.isStalled } == false)
    }

    @Test func aFullJournalTellsWhenItHasRoom() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.end()
        let half = JournalLimits.maxByteCount / 2
        let isCongested = { host.on { $0.journal?.isCongested == true } }
        host.on { _ in counter.add(1, byteCount: half) }
        #expect(!isCongested())
        host.on { _ in counter.add(1, byteCount: half) }
        host.on { _ in counter.add(1) }
        #expect(isCongested())
        host.on { residents in
            residents.journal?.relieveLater(counter)
            residents.journal?.relieveLater(counter)
        }
        host.end(1)
        #expect(isCongested() && counter.notices.isEmpty, "more than half is on its way still")
        host.end(1)
        #expect(!isCongested() && counter.notices == [.relieved], "told once")
    }

    @Test func theJournalsOfTwoLoopsAreApart() throws {
        let host = try CounterHost()
        host.make("a", on: 0)
        host.make("b", on: 1)
        let lanes = [host.store.pending(lane: 0), host.store.pending(lane: 1)]
        #expect(lanes == [[["a"]], [["b"]]])
    }
}
