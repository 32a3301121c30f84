import Network
import Testing

@testable import Hosting

/// Objects are found in memory, or loaded once, whichever loops the requests come in on.
@Suite struct FindingTests {
    private func stored(_ value: Int, owner: String = "ann", aliases: [String] = []) -> CounterStore.Row {
        CounterStore.Row(owner: owner, value: value, aliases: aliases)
    }

    @Test func anObjectInMemoryIsFoundWithinTheCall() throws {
        let host = try CounterHost()
        let counter = host.make("a", on: 1)
        let found = host.find("a", from: 0)
        #expect(found.reference.map { host.counter($0) === counter } == true)
        #expect(found.reference?.loop.index == 1)
        #expect(host.store.loadCount == 0)
    }

    @Test func aStoredObjectIsLoadedToTheLoopThatAsks() throws {
        let host = try CounterHost()
        host.store.put(stored(7), "a")
        let found = host.find("a", from: 1)
        #expect(found.reference.map { host.counter($0).value } == 7)
        #expect(found.reference?.loop.index == 1)
        #expect(host.find("a", from: 0).reference?.loop.index == 1, "it has one home")
    }

    @Test func requestsForOneObjectShareALoad() throws {
        let host = try CounterHost()
        host.store.put(stored(7), "a")
        host.store.change { $0.answersLoads = false }
        let found = [0, 1, 0, 1].map { host.find("a", from: $0) }
        #expect(found.allSatisfy { $0.results.isEmpty })
        #expect(host.store.loadCount == 1)
        host.store.answerLoads()
        host.turn()
        #expect(found.allSatisfy { $0.isAnswered && $0.reference?.loop.index == 0 })
        let counters = found.compactMap { $0.reference.map(host.counter) }
        #expect(counters.allSatisfy { $0 === counters[0] })
        #expect(host.count(on: 0) == 1 && host.count(on: 1) == 0)
    }

    @Test func aForeignObjectIsAsNone() throws {
        let host = try CounterHost()
        host.make("a", owner: "ann")
        host.store.put(stored(7, owner: "ann"), "b")
        for id in ["a", "b", "c"] {
            let found = host.find(id, owner: "eve")
            #expect(found.isAnswered && found.reference == nil && !found.isFailure)
        }
    }

    @Test func aFailedLoadIsToldToAllAndNotRemembered() throws {
        let host = try CounterHost()
        host.store.put(stored(7), "a")
        host.store.change {
            $0.answersLoads = false
            $0.failure = LoadFailure(reason: "the disk is gone")
        }
        let found = [host.find("a"), host.find("a", from: 1)]
        host.store.answerLoads()
        host.turn()
        #expect(found.allSatisfy { $0.isAnswered && $0.isFailure })
        host.store.change {
            $0.answersLoads = true
            $0.failure = nil
        }
        #expect(host.find("a").reference.map { host.counter($0).value } == 7)
    }

    @Test func anObjectThatCannotBeMadeAgainIsAFailure() throws {
        let host = try CounterHost()
        host.store.put(stored(-1), "a")
        let found = host.find("a")
        #expect(found.isAnswered && found.isFailure)
        #expect(!host.isResident("a"))
    }

    @Test func anAliasLeadsToItsObject() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.residency.insert(alias: "first", of: "a")
        #expect(host.find(alias: "first").reference?.id == "a")
        #expect(host.find(alias: "first", owner: "eve").reference == nil)
        host.residency.remove(alias: "first")
        #expect(host.find(alias: "first").reference == nil)
        host.residency.insert(alias: "second", of: "nothing")
        #expect(host.residency.resident(alias: "second") == nil)
        // Its aliases go with it.
        counter.aliases = ["third"]
        host.residency.insert(alias: "third", of: "a")
        host.on { $0.forget(counter) }
        #expect(host.residency.resident(alias: "third") == nil)
    }

    @Test func anAliasOfAStoredObjectLoadsIt() throws {
        let host = try CounterHost()
        host.store.put(stored(7, aliases: ["first"]), "a")
        #expect(host.find(alias: "first", owner: "eve").reference == nil)
        #expect(host.find(alias: "first").reference.map { host.counter($0).value } == 7)
        #expect(host.store.loadCount == 1)
    }

    @Test func objectsAreListedNewestFirst() throws {
        let host = try CounterHost()
        host.make("a", on: 0)
        host.make("b", on: 1)
        host.make("c", owner: "eve")
        host.make("d", on: 0)
        #expect(host.residency.residents(owner: "ann").map(\.id) == ["d", "b", "a"])
        #expect(host.residency.present(["a": 1, "x": 2]) == ["a": 1])
    }

    @Test func aReferenceRunsAtTheObjectAndAnswersAtTheCaller() throws {
        let host = try CounterHost()
        host.make("a", on: 1)
        let reference = try #require(host.find("a").reference)
        for caller in [0, 1] {
            var answers: [Int] = []
            host.on(caller) { residents in
                let loop = residents.loop
                reference.perform(from: loop) { counter, answer in
                    counter.add(1)
                    answer(counter.value)
                } then: {
                    #expect(loop.isCurrent)
                    answers.append($0)
                }
                #expect(answers.isEmpty == (caller == 0), "at once where the object lives")
            }
            #expect(answers == [2 + caller])
        }
    }

    @Test func unfinishedObjectsAreLoadedToAllLoops() async throws {
        let host = try CounterHost()
        for id in ["a", "b", "c"] {
            var row = stored(1)
            row.isUnfinished = true
            host.store.put(row, id)
        }
        host.store.put(stored(1), "d")
        let (residency, store) = (host.residency, host.store)
        async let recovery: Void = residency.recover(from: store, until: Lifecycle())
        while !["a", "b", "c"].allSatisfy(host.isResident) {
            host.turn()
            await Task.yield()
        }
        host.turn()
        await recovery
        #expect(host.count(on: 0) == 2 && host.count(on: 1) == 1)
        #expect(!host.isResident("d"))
    }
}
