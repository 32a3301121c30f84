import Testing

@testable import Hosting

/// How long objects stay in memory: idle ones leave it by age and by size, and none that is in use or not committed.
@Suite struct ResidencyTests {
    @Test func aStoredObjectLeavesMemoryWhenItIsIdleAndComesBack() throws {
        let host = try CounterHost()
        let counter = host.make("a", value: 3)
        host.end()
        host.advance(by: .seconds(299))
        host.sweep()
        #expect(host.isResident("a"))
        host.advance(by: .seconds(1))
        host.sweep()
        #expect(!host.isResident("a") && counter.notices == [.unloaded])
        let found = host.find("a")
        #expect(found.reference.map { host.counter($0) !== counter && host.counter($0).value == 3 } == true)
    }

    @Test func anObjectInUseStays() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.end()
        counter.followerCount = 1
        host.advance(by: .seconds(1000))
        host.sweep()
        counter.followerCount = 0
        host.advance(by: .seconds(299))
        host.sweep()
        #expect(host.isResident("a"), "idle since its last use")
        host.advance(by: .seconds(1))
        host.sweep()
        #expect(!host.isResident("a"))
    }

    @Test func anObjectThatIsNotCommittedStays() throws {
        let host = try CounterHost()
        host.make("a")
        host.advance(by: .seconds(1000))
        host.sweep()
        #expect(host.isResident("a"))
        host.end()
        host.sweep()
        #expect(!host.isResident("a"))
    }

    @Test func anObjectThatWasJustLookedUpStays() throws {
        let host = try CounterHost()
        host.make("a")
        host.end()
        host.advance(by: .seconds(1000))
        _ = host.find("a", from: 1)
        host.sweep()
        #expect(host.isResident("a"), "a reference is on its way to be used")
        host.advance(by: Residency<Counter>.lookupGrace)
        host.sweep()
        #expect(!host.isResident("a"))
    }

    @Test func anObjectOnlyInMemoryIsForgottenAfterTheRetentionPeriod() throws {
        let host = try CounterHost()
        let counter = host.make("a", lifetime: .inMemory)
        host.advance(by: .seconds(3599))
        host.sweep()
        #expect(host.isResident("a"))
        host.advance(by: .seconds(1))
        host.sweep()
        #expect(!host.isResident("a") && counter.notices == [.closed])
        #expect(host.find("a").reference == nil)
    }

    @Test func aReleasedObjectIsForgottenOnceItIsIdle() throws {
        let host = try CounterHost()
        let counter = host.make("a", lifetime: .inMemory)
        host.make("b")
        host.end()
        counter.isWorking = true
        host.on { $0.releaseWhenIdle("a") }
        host.on { $0.releaseWhenIdle("b") }
        host.sweep()
        #expect(host.isResident("a"))
        counter.isWorking = false
        host.sweep()
        #expect(!host.isResident("a"))
        #expect(host.isResident("b"), "the store has it")
    }

    // MARK: Size

    @Test func bytesAreCountedWhileAnObjectIsHosted() throws {
        let host = try CounterHost()
        let counter = host.make("a", byteCount: 300)
        host.make("b", byteCount: 200)
        #expect(host.byteCount() == 500)
        counter.byteCount = 1000
        #expect(host.byteCount() == 1200)
        host.on { $0.forget(counter) }
        counter.byteCount = 5
        #expect(host.byteCount() == 200)
        host.sweep()
        #expect(host.budget.heldBytes == 200)
    }

    @Test func theStoredOnesGoFirstAndThenTheOldestOfTheLargestOwner() throws {
        let host = try CounterHost(maxByteCount: 1000)
        host.make("stored", owner: "bob", byteCount: 300)
        host.end()
        host.advance(by: .seconds(61))
        for id in ["eve 1", "eve 2"] { host.make(id, owner: "eve", lifetime: .inMemory, byteCount: 200) }
        let busy = host.make("bob 1", owner: "bob", lifetime: .inMemory, byteCount: 200)
        busy.followerCount = 1
        #expect(host.isResident("stored"))
        // Too much, though the stored one goes: nine tenths are the goal.
        host.make("bob 2", owner: "bob", lifetime: .inMemory, byteCount: 450)
        #expect(!host.isResident("stored"))
        #expect(host.isResident("bob 2"), "about to be used")
        host.sweep()
        #expect(!host.isResident("bob 2"), "bob has 650, and what he uses stays")
        #expect(host.isResident("eve 1") && host.isResident("eve 2") && host.isResident("bob 1"))
        #expect(host.byteCount() == 600)
    }

    @Test func whatIsNotCommittedIsNotEvicted() throws {
        let host = try CounterHost(maxByteCount: 1000)
        host.make("a", byteCount: 800)
        host.advance(by: .seconds(61))
        host.make("b", byteCount: 800)
        #expect(host.isResident("a") && host.isResident("b"))
        host.end()
        host.sweep()
        #expect(!host.isResident("a"))
        #expect(host.isResident("b"), "its reference is new")
    }

    // MARK: Deleting

    @Test func aDeletedObjectIsNotFoundWhileTheStoreHasIt() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.end()
        host.on { $0.forget(counter) }
        #expect(counter.notices == [.closed])
        #expect(host.store.rows["a"] != nil, "the deletion is not committed")
        let found = host.find("a")
        #expect(found.isAnswered && found.reference == nil)
        #expect(host.store.loadCount == 0)
        host.end()
        #expect(host.store.rows["a"] == nil)
        #expect(host.find("a").reference == nil)
        #expect(host.store.loadCount == 1, "now the store is asked, which has it no more")
    }

    @Test func anObjectIsDeletedOnce() throws {
        let host = try CounterHost()
        let counter = host.make("a")
        host.end()
        host.on { residents in
            residents.forget(counter)
            residents.forget(counter)
        }
        #expect(host.forgottenIDs == ["a"] && counter.notices == [.closed])
        #expect(host.store.pending() == [["a"]])
    }

    @Test func aDeletionThatComesDuringALoadIsForTheLoadedObject() throws {
        let host = try CounterHost()
        host.store.put(CounterStore.Row(owner: "ann", value: 7), "a")
        host.store.change { $0.answersLoads = false }
        let reader = host.find("a", from: 1)
        let deleter = host.find("a", from: 0)
        host.store.answerLoads()
        host.turn()
        let reference = try #require(deleter.reference)
        let counter = host.counter(reference)
        host.on(1) { $0.forget(counter) }
        #expect(reader.reference != nil, "it was there when it was asked for")
        #expect(host.find("a").reference == nil)
        host.end()
        #expect(host.store.rows["a"] == nil)
    }
}
