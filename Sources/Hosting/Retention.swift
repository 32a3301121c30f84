import Bytes
package import Logging

/// The store's side of ``Retention``.
package protocol RetainingStore: Sendable {
    associatedtype Failure: Error
    /// Objects that were not used since a time in seconds since 1970, the least recently used first.
    func unused(since time: Int, limit: Int) async throws(Failure) -> [String]
    /// Deletes those of the objects that were not used since a time. None of them may be in memory.
    /// - Returns: how many it deleted.
    func delete(_ ids: [String], unusedSince time: Int) async throws(Failure) -> Int
    /// Bytes in use, without what deletions have left free.
    func usedByteCount() async throws(Failure) -> Int
    /// Ends a sweep: frees what deletions have left behind.
    func finishDeleting() async throws(Failure)
}

/// Deletes stored objects that were not used for longer than the retention period and, when the store is too large, those that were
/// not used for longest. An object in memory is left alone: its loop unloads it when it is idle.
package struct Retention<Object: Resident, Store: RetainingStore>: Sendable {
    private let residency: Residency<Object>
    private let store: Store
    private let period: Duration
    private let maxByteCount: Int
    private let logger: Logger

    private static var maxInterval: Duration { .seconds(60) }
    private static var minInterval: Duration { .seconds(1) }
    /// Objects deleted in one commit.
    static var batchCount: Int { 64 }

    /// - Parameters:
    ///   - period: how long an unused object is retained.
    ///   - maxByteCount: bytes of the store above which objects go before their time.
    package init(residency: Residency<Object>, store: Store, period: Duration, maxByteCount: Int, logger: Logger) {
        self.residency = residency
        self.store = store
        self.period = period
        self.maxByteCount = maxByteCount
        self.logger = logger
    }

    /// Sweeps once a minute, or ten times within the period, until the host stops.
    /// - Parameter unixTime: seconds since 1970.
    package func start(until lifecycle: Lifecycle, unixTime: @escaping @Sendable () -> Int) {
        let interval = min(Self.maxInterval, max(Self.minInterval, period / 10))
        Task {
            while !lifecycle.isDraining {
                do throws(Store.Failure) {
                    let count = try await sweep(unixTime: unixTime())
                    if count > 0 {
                        logger.info("\(Object.kind)s deleted by retention", metadata: ["count": .stringConvertible(count)])
                    }
                } catch {
                    logger.warning("retention did not run", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: interval)
            }
        }
    }

    /// - Returns: how many objects it deleted.
    func sweep(unixTime: Int) async throws(Store.Failure) -> Int {
        var deleted = try await delete(unusedSince: unixTime.saturatingSubtracting(Int(period.components.seconds)))
        while try await store.usedByteCount() > maxByteCount {
            let count = try await deleteSome(unusedSince: .max)
            if count == 0 { break }
            deleted += count
        }
        try await store.finishDeleting()
        return deleted
    }

    private func delete(unusedSince time: Int) async throws(Store.Failure) -> Int {
        var deleted = 0
        while true {
            let count = try await deleteSome(unusedSince: time)
            deleted += count
            if count == 0 { return deleted }
        }
    }

    /// Deletes the oldest of those that are not in memory; meanwhile they cannot be loaded. Those in memory may be the oldest of
    /// all, so that it looks past as many of them as there are.
    private func deleteSome(unusedSince time: Int) async throws(Store.Failure) -> Int {
        let ids = try await store.unused(since: time, limit: Self.batchCount + residency.busyCount)
        let free = residency.beginDeleting(ids, limit: Self.batchCount)
        if free.isEmpty { return 0 }
        defer { residency.deleted(free) }
        return try await store.delete(free, unusedSince: time)
    }
}
