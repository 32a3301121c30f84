import Bytes
import Dispatch
import Foundation
import GRDB
import JSON
public import Sessions

extension Store {
    /// A new row key for a session or response.
    public func makeKey() -> Int { keys.next() }

    // MARK: Lookup

    /// A session with what it needs to resume.
    public struct LoadedSession: Sendable {
        /// Row key of the session.
        public var key: Int
        /// Index of the session among all by age.
        public var ordinal: Int
        /// The session and its conversation.
        public var session: StoredSession
        /// Pages with the newest events, oldest first.
        public var tail: [LogPage]
        /// Sequence number of the newest event.
        public var lastSequence: Int
        /// Sequence number of the oldest event in the store.
        public var oldestSequence: Int
        /// The epochs of its log.
        public var epochs: LogEpochs
    }

    /// Reads a session, with the newest events up to a number of bytes.
    /// - Parameters:
    ///   - owner: the required owner; nil accepts any.
    ///   - then: called on one of the store's threads; with nil if this owner has no such session.
    public func loadSession(
        _ id: String, owner: String?, maxTailBytes: Int,
        then: @escaping @Sendable (Result<LoadedSession?, StorageError>) -> Void
    ) {
        let key: @Sendable (Database) throws -> Int? = { db in
            guard let row = try Row.fetchOne(db, sql: "SELECT key, owner FROM sessions WHERE id = ?", arguments: [id]),
                owner == nil || row["owner"] == owner
            else { return nil }
            return row["key"]
        }
        read(key) { found in
            switch found {
            case .failure(let error): then(.failure(error))
            case .success(nil): then(.success(nil))
            case .success(let key?):
                // Read before the database state that it is used with: see ``EventTail/events(of:)``.
                let pending = self.tail.events(of: key)
                self.read(
                    { db in try SessionReading(db).load(key: key, pending: pending, maxTailBytes: maxTailBytes) }, then: then)
            }
        }
    }

    /// Finds the session that a response belongs to.
    public func sessionID(
        ofResponse id: String, owner: String, then: @escaping @Sendable (Result<String?, StorageError>) -> Void
    ) {
        read(
            { db in
                try String.fetchOne(
                    db,
                    sql: """
                        SELECT sessions.id FROM responses JOIN sessions ON sessions.key = responses.session
                        WHERE responses.id = ? AND sessions.owner = ?
                        """, arguments: [id, owner])
            }, then: then)
    }

    /// Sessions that had unfinished work when the last run ended.
    public func unfinishedSessions() async throws(StorageError) -> [(id: String, owner: String)] {
        let rows = try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT DISTINCT sessions.id AS id, sessions.owner AS owner FROM responses
                    JOIN sessions ON sessions.key = responses.session
                    WHERE responses.status IN ('queued', 'in_progress')
                    """
            ).map { (id: $0["id"] as String, owner: $0["owner"] as String) }
        }
        return rows
    }

    /// A session in a list.
    public struct SessionSummary: Sendable {
        /// The session's row.
        public var record: SessionRecord
        /// Index of the session among all by age.
        public var ordinal: Int
        /// Position of the newest event.
        public var lastPosition: LogPosition
    }

    /// One page of an owner's sessions, newest first.
    /// - Parameter before: ordinal of the last session on the previous page.
    public func sessions(
        owner: String, before ordinal: Int?, limit: Int, then: @escaping @Sendable (Result<[SessionSummary], StorageError>) -> Void
    ) {
        let tails = tail.lastSequences()
        read(
            { [self] db in
                try SessionReading(db).list(
                    owner: owner, before: ordinal, limit: limit, tails: tails, onBroken: reportUnreadableSession)
            }, then: then)
    }

    /// Finds the ordinal of a session, for paging.
    public func ordinal(ofSession id: String, owner: String, then: @escaping @Sendable (Result<Int?, StorageError>) -> Void) {
        read(
            { db in
                try Int.fetchOne(
                    db, sql: "SELECT ordinal FROM sessions WHERE id = ? AND owner = ?", arguments: [id, owner])
            }, then: then)
    }

    /// Pages of events that are no longer in memory: those after `sequence`, up to a number of bytes and one page more. Their
    /// references are unresolved: see ``Sessions/LogPage/resolve(_:)``.
    public func pages(
        ofSession key: Int, after sequence: Int, maxBytes: Int,
        then: @escaping @Sendable (Result<[LogPage], StorageError>) -> Void
    ) {
        let pending = tail.events(of: key)
        read(
            { db in
                try EventReading(db, session: key, pending: pending).pages(after: sequence, maxBytes: maxBytes)
            }, then: then)
    }

    /// Response headers that events of a session refer to, by the responses' ordinals.
    public func headers(
        ofSession key: Int, _ ordinals: Set<Int>, then: @escaping @Sendable (Result<[Int: ResponseHeader], StorageError>) -> Void
    ) {
        read({ db in try SessionReading(db).headers(session: key, ordinals) }, then: then)
    }

    // MARK: Retention

    /// Erases the events of deleted sessions from the rows that they share with other sessions.
    public func dropDeletedEvents() async throws(StorageError) {
        guard tail.holdsDeleted else { return }
        try await write { [tail] _ in tail.dropDeleted() }
    }

    /// Sessions not used since `time` (seconds since 1970), oldest first.
    public func sessionsUnused(since time: Int, limit: Int) async throws(StorageError) -> [String] {
        try await read { db in
            try String.fetchAll(
                db, sql: "SELECT id FROM sessions WHERE used_at < ? ORDER BY used_at LIMIT ?", arguments: [time, limit])
        }
    }

    /// Size of the used pages of the file, in bytes.
    public func usedByteCount() async throws(StorageError) -> Int {
        try await read { db in
            let page = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return page * (pages - free)
        }
    }

    /// Deletes the sessions among `ids` that were not used since `time` (seconds since 1970). None may be in memory.
    /// - Returns: the number of deleted sessions.
    @discardableResult
    public func deleteSessions(_ ids: [String], unusedSince time: Int = .max) async throws(StorageError) -> Int {
        let deleted = try await write { [tail] db in
            var deleted: [String] = []
            for id in ids {
                guard
                    let key = try Int.fetchOne(
                        db, sql: "SELECT key FROM sessions WHERE id = ? AND used_at < ?", arguments: [id, time])
                else { continue }
                try SessionChanges.delete(key, db, tail)
                deleted.append(id)
            }
            return deleted
        }
        erased(deleted)
        return deleted.count
    }
}
