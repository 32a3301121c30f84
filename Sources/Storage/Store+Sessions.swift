import Bytes
import Dispatch
import Foundation
import GRDB
import JSON
public import Sessions

extension Store {
    /// A number for a session or response that is to be written.
    public func makeKey() -> Int { keys.next() }

    // MARK: Finding

    /// A session with what is needed to go on with it.
    public struct LoadedSession: Sendable {
        public var key: Int
        public var ordinal: Int
        public var session: StoredSession
        /// The newest events, oldest first.
        public var tail: [LogPage]
        /// Sequence number of the newest event.
        public var lastSequence: Int
        /// Sequence number of the oldest event that is kept.
        public var oldestSequence: Int
        /// The epochs of its log.
        public var epochs: LogEpochs
    }

    /// Reads a session whole, with as many of the newest events as fit into so many bytes.
    /// - Parameters:
    ///   - owner: whose it must be; nil for anybody's.
    ///   - then: called on one of the store's threads; with nil when there is none of this owner.
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
                // Before the state of the database that it goes with: see ``EventTail/events(of:)``.
                let pending = self.tail.events(of: key)
                self.read(
                    { db in try SessionReading(db).load(key: key, pending: pending, maxTailBytes: maxTailBytes) }, then: then)
            }
        }
    }

    /// The identifier of the session that a response belongs to.
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

    /// Sessions in which something had not ended.
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

    /// One page of an owner's sessions, newest first.
    public struct SessionSummary: Sendable {
        public var record: SessionRecord
        public var ordinal: Int
        /// Position of the newest event.
        public var lastPosition: LogPosition
    }

    /// - Parameter before: the ordinal of the last of the page before.
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

    /// The ordinal of a session, for pages.
    public func ordinal(ofSession id: String, owner: String, then: @escaping @Sendable (Result<Int?, StorageError>) -> Void) {
        read(
            { db in
                try Int.fetchOne(
                    db, sql: "SELECT ordinal FROM sessions WHERE id = ? AND owner = ?", arguments: [id, owner])
            }, then: then)
    }

    /// A page of events that are no longer in memory: those after `sequence`, up to so many bytes and one more.
    /// They do not know yet what they refer to: see ``Sessions/LogPage/resolve(_:)``.
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

    /// What events of a session refer to, by the responses' ordinals.
    public func headers(
        ofSession key: Int, _ ordinals: Set<Int>, then: @escaping @Sendable (Result<[Int: ResponseHeader], StorageError>) -> Void
    ) {
        read({ db in try SessionReading(db).headers(session: key, ordinals) }, then: then)
    }

    // MARK: Retention

    /// Takes the events of deleted sessions out of the rows that they share with others, if there are any.
    public func dropDeletedEvents() async throws(StorageError) {
        guard tail.holdsDeleted else { return }
        try await write { [tail] _ in tail.dropDeleted() }
    }

    /// Sessions that were not used since a time, the oldest first.
    public func sessionsUnused(since time: Int, limit: Int) async throws(StorageError) -> [String] {
        try await read { db in
            try String.fetchAll(
                db, sql: "SELECT id FROM sessions WHERE used_at < ? ORDER BY used_at LIMIT ?", arguments: [time, limit])
        }
    }

    /// Bytes in use in the file, without what deletions have left free.
    public func usedByteCount() async throws(StorageError) -> Int {
        try await read { db in
            let page = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return page * (pages - free)
        }
    }

    /// Deletes those of the sessions that were not used since a time. None of them may be in memory.
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
