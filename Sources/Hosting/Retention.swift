import Bytes
package import Logging

/// The store's side of ``Retention``.
package protocol RetainingStore: Sendable {
    /// Why the store cannot be read or written.
    associatedtype Failure: Error
    /// Objects not used since `time` (seconds since 1970), least recently used first.
    func unused(since time: Int, limit: Int) async throws(Failure) -> [String]
    /// Deletes the objects among `ids` that were not used since `time` (seconds since 1970). None may be in memory.
    /// - Returns: the number of deleted objects.
    func delete(_ ids: [String], unusedSince time: Int) async throws(Failure) -> Int
    /// Size of the store in bytes, without space freed by deletions.
    func usedByteCount() async throws(Failure) -> Int
    /// Ends a sweep: cleans up after the deletions.
    func finishDeleting() async throws(Failure)
}

/// Deletes stored objects that were not used for longer than the retention period and, if the store is too large, the least
/// recently used. Objects in memory are left alone: their loop unloads them when they are idle.
package struct Retention<Object: Resident, Store: RetainingStore>: Sendable {
    private let residency: Residency<Object>
    private let store: Store
    private let period: Duration
    private let maxByteCount: Int
    private let logger: Logger

    private static var maxInterval: Duration { .seconds(60) }
    private static var minInterval: Duration { .seconds(1) }
    /// Number of objects deleted in one commit.
    static var batchCount: Int { 64 }

    /// - Parameters:
    ///   - period: how long an unused object is retained.
    ///   - maxByteCount: size of the store, in bytes, above which objects are deleted earlier.
    package init(residency: Residency<Object>, store: Store, period: Duration, maxByteCount: Int, logger: Logger) {
        self.residency = residency
        self.store = store
        self.period = period
        self.maxByteCount = maxByteCount
        self.logger = logger
    }

    /// Sweeps once a minute, or ten times within a shorter period, until the host stops.
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

    /// - Returns: the number of deleted objects.
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

    /// Deletes the oldest objects that are not in memory; they cannot be loaded meanwhile. Those in memory may be the oldest of
    /// all, so that as many candidates are fetched in addition.
    private func deleteSome(unusedSince time: Int) async throws(Store.Failure) -> Int {
        let ids = try await store.unused(since: time, limit: Self.batchCount + residency.busyCount)
        let free = residency.beginDeleting(ids, limit: Self.batchCount)
        if free.isEmpty { return 0 }
        defer { residency.deleted(free) }
        return try await store.delete(free, unusedSince: time)
    }
}
