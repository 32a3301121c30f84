import Bytes
import Logging
import Network
import Storage

/// Deletes what was not used for longer than it is to be kept, and, when the database is too large, what was not used for longest.
/// A session that is in memory is left alone: its loop unloads it when nobody uses it.
struct Retention: Sendable {
    let context: ServerContext
    let logger: Logger

    private static let maxInterval = Duration.seconds(60)
    private static let minInterval = Duration.seconds(1)
    /// Sessions deleted in one commit.
    private static let batchCount = 64

    /// Looks once a minute, or ten times while a session is kept, until the server stops.
    func start() {
        guard let store = context.store else { return }
        let interval = min(Self.maxInterval, max(Self.minInterval, context.configuration.retention / 10))
        Task {
            while !context.lifecycle.isDraining {
                do throws(StorageError) {
                    let count = try await sweep(store)
                    if count > 0 { logger.info("sessions deleted by retention", metadata: ["count": .stringConvertible(count)]) }
                } catch {
                    logger.warning("retention did not run", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: interval)
            }
        }
    }

    private func sweep(_ store: Store) async throws(StorageError) -> Int {
        let now = context.sessionLoops[0].loop.unixTime
        var deleted = try await delete(
            unusedSince: now.saturatingSubtracting(Int(context.configuration.retention.components.seconds)), store)
        while try await store.usedByteCount() > context.configuration.maxDataBytes {
            let count = try await deleteOldest(store)
            if count == 0 { break }
            deleted += count
        }
        try await store.dropDeletedEvents()
        return deleted
    }

    private func delete(unusedSince time: Int, _ store: Store) async throws(StorageError) -> Int {
        var deleted = 0
        while true {
            let count = try await deleteSome(unusedSince: time, store)
            deleted += count
            if count == 0 { return deleted }
        }
    }

    private func deleteOldest(_ store: Store) async throws(StorageError) -> Int {
        try await deleteSome(unusedSince: .max, store)
    }

    /// Deletes the oldest of those that are not in memory; meanwhile nobody loads them. Those in memory may be the oldest of all, so
    /// that it looks past as many of them as there are.
    private func deleteSome(unusedSince time: Int, _ store: Store) async throws(StorageError) -> Int {
        let ids = try await store.sessionsUnused(since: time, limit: Self.batchCount + context.directory.busyCount)
        let free = context.directory.beginDeleting(ids, limit: Self.batchCount)
        if free.isEmpty { return 0 }
        defer { context.directory.deleted(free) }
        return try await store.deleteSessions(free, unusedSince: time)
    }
}
