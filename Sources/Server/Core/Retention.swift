import Logging
import Network
import Storage

/// Deletes what was not used for longer than it is to be kept, and, when the database is too large, what was not used for longest.
/// A session that is in memory is left alone: its loop unloads it when nobody uses it.
struct Retention: Sendable {
    let context: ServerContext
    let logger: Logger

    private static let interval = Duration.seconds(60)
    /// Sessions deleted in one commit.
    private static let batchCount = 64

    /// Looks once a minute, until the server stops.
    func start() {
        guard let store = context.store else { return }
        Task {
            while !context.lifecycle.isDraining {
                do throws(StorageError) {
                    let count = try await sweep(store)
                    if count > 0 { logger.info("sessions deleted by retention", metadata: ["count": "\(count)"]) }
                } catch {
                    logger.warning("retention did not run", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func sweep(_ store: Store) async throws(StorageError) -> Int {
        let now = context.sessionLoops[0].loop.unixTime
        var deleted = try await delete(unusedSince: now - Int(context.configuration.retention.components.seconds), store)
        while try await store.usedByteCount() > context.configuration.maxDataBytes {
            let count = try await deleteOldest(store)
            if count == 0 { break }
            deleted += count
        }
        return deleted
    }

    private func delete(unusedSince time: Int, _ store: Store) async throws(StorageError) -> Int {
        var deleted = 0
        while true {
            let ids = try await store.sessionsUnused(since: time, limit: Self.batchCount)
            let count = try await delete(ids, unusedSince: time, store)
            deleted += count
            if count == 0 || ids.count < Self.batchCount { return deleted }
        }
    }

    private func deleteOldest(_ store: Store) async throws(StorageError) -> Int {
        let ids = try await store.sessionsUnused(since: .max, limit: Self.batchCount)
        return try await delete(ids, unusedSince: .max, store)
    }

    /// Those that are not in memory; meanwhile nobody loads them.
    private func delete(_ ids: [String], unusedSince time: Int, _ store: Store) async throws(StorageError) -> Int {
        let free = context.directory.beginDeleting(ids)
        if free.isEmpty { return 0 }
        defer { context.directory.deleted(free) }
        return try await store.deleteSessions(free, unusedSince: time)
    }
}
