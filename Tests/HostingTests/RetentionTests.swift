import Logging
import Synchronization
import Testing

@testable import Hosting

/// What the store loses by age and by size; never what is in memory, or on its way there.
@Suite struct RetentionTests {
    private func makeRetention(_ host: CounterHost, maxByteCount: Int = 1 << 30) -> Retention<Counter, CounterStore> {
        Retention(
            residency: host.residency, store: host.store, period: .seconds(1000), maxByteCount: maxByteCount,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func put(_ id: String, usedAt: Int, in host: CounterHost) {
        host.store.put(CounterStore.Row(owner: "ann", value: 1, usedAt: usedAt), id)
    }

    @Test func whatWasNotUsedForThePeriodGoes() async throws {
        let host = try CounterHost()
        put("old", usedAt: 999, in: host)
        put("young", usedAt: 1000, in: host)
        #expect(try await makeRetention(host).sweep(unixTime: 2000) == 1)
        #expect(host.store.rows.keys.sorted() == ["young"])
    }

    @Test func moreGoThanOneCommitDeletes() async throws {
        let host = try CounterHost()
        let count = 2 * Retention<Counter, CounterStore>.batchCount + 5
        for number in 0..<count { put("old \(number)", usedAt: 1, in: host) }
        #expect(try await makeRetention(host).sweep(unixTime: 2000) == count)
        #expect(host.store.rows.isEmpty)
    }

    @Test func whatIsInMemoryOrBeingLoadedStays() async throws {
        let host = try CounterHost()
        host.make("resident")
        host.end()
        put("loading", usedAt: 0, in: host)
        put("old", usedAt: 0, in: host)
        host.store.change { $0.answersLoads = false }
        let loading = host.find("loading")
        #expect(try await makeRetention(host).sweep(unixTime: 2000) == 1)
        #expect(host.store.rows.keys.sorted() == ["loading", "resident"])
        host.store.answerLoads()
        host.turn()
        #expect(loading.reference != nil)
    }

    @Test func ofTooMuchTheLeastRecentlyUsedGo() async throws {
        let host = try CounterHost()
        for number in 0..<100 { put("\(number)", usedAt: 1500 + number, in: host) }
        #expect(try await makeRetention(host, maxByteCount: 5000).sweep(unixTime: 2000) == 64)
        #expect(host.store.rows["63"] == nil && host.store.rows["64"] != nil)
    }

    @Test func itEndsWhenNothingMoreMayGo() async throws {
        let host = try CounterHost()
        host.make("resident")
        host.end()
        #expect(try await makeRetention(host, maxByteCount: 1).sweep(unixTime: 2000) == 0)
    }

    @Test func whatIsBeingDeletedCannotBeLoaded() async throws {
        let host = try CounterHost()
        put("old", usedAt: 1, in: host)
        let residency = host.residency
        let isGone = Mutex(false)
        host.store.change { state in
            state.duringDeletion = {
                let again = residency.beginDeleting(["old"], limit: 1)
                isGone.withLock { $0 = again.isEmpty }
            }
        }
        #expect(try await makeRetention(host).sweep(unixTime: 2000) == 1)
        #expect(isGone.withLock { $0 })
        #expect(residency.beginDeleting(["old"], limit: 1) == ["old"], "and is free again after it")
    }

    @Test func aRequestDuringADeletionFindsNothing() throws {
        let host = try CounterHost()
        put("old", usedAt: 1, in: host)
        #expect(host.residency.beginDeleting(["old"], limit: 1) == ["old"])
        let found = host.find("old")
        #expect(found.isAnswered && found.reference == nil && host.store.loadCount == 0)
        // The store had it in use after all.
        host.residency.deleted(["old"])
        #expect(host.find("old").reference != nil)
    }
}
