public import Bytes
import GRDB
import JSON
public import Sessions

/// Selects sessions of a data directory; all conditions must match.
public struct SessionFilter: Sendable {
    /// The principal that owns the session.
    public var owner: String?
    /// Identifier of the one session.
    public var sessionID: String?
    /// Last used at this time or later, in seconds since 1970.
    public var usedSince: Int?
    /// Not used since this time, in seconds since 1970.
    public var unusedSince: Int?

    /// A filter of the given conditions; nil matches every session.
    public init(owner: String? = nil, sessionID: String? = nil, usedSince: Int? = nil, unusedSince: Int? = nil) {
        self.owner = owner
        self.sessionID = sessionID
        self.usedSince = usedSince
        self.unusedSince = unusedSince
    }

    func identifiers(_ db: Database) throws -> [String] {
        var conditions: [String] = []
        var arguments = StatementArguments()
        func add(_ condition: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments += [value]
        }
        add("owner = ?", owner)
        add("id = ?", sessionID)
        add("used_at >= ?", usedSince)
        add("used_at < ?", unusedSince)
        let clause = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        return try String.fetchAll(db, sql: "SELECT id FROM sessions \(clause) ORDER BY ordinal", arguments: arguments)
    }
}

/// The sessions in a data directory, read beside a server that may be running, through a read-only connection without a lock.
///
/// Each session is read from a single state of the database. No transaction spans several sessions: it would prevent the server
/// from emptying its write-ahead log.
public struct SessionArchive {
    private let queue: DatabaseQueue
    private let tail = TailScan()

    /// Opens the database of a data directory for reading.
    /// - Throws: ``StorageError``, which says what to do.
    public init(directory: String) throws(StorageError) {
        try DataFiles.requireDatabase(in: directory)
        let path = DataFiles.databasePath(in: directory)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(10)
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try Migrations.check(queue, path: path)
        } catch let error as StorageError {
            throw error
        } catch {
            throw .unreadable(path: path, reason: "\(StorageError(error))")
        }
    }

    /// Identifiers of the matching sessions, oldest first.
    public func sessionIDs(_ filter: SessionFilter) throws(StorageError) -> [String] {
        do { return try queue.read(filter.identifiers) } catch { throw StorageError(error) }
    }

    /// Reads a session as JSON objects: one for the session, each item, each response and each event (`Protocols/operations.md`).
    /// - Parameters:
    ///   - encode: writes an event as JSON.
    ///   - body: gets each object, without a newline.
    /// - Returns: false if the session does not exist.
    public func forEachRecord(
        ofSession id: String, encode: (SessionEvent, inout ByteBuffer) -> Void, _ body: (borrowing ByteBuffer) -> Void
    ) throws(StorageError) -> Bool {
        do {
            return try queue.read { db in try SessionExport(id: id, tail, db)?.write(encode, body) != nil }
        } catch {
            throw StorageError(error)
        }
    }
}

/// The rows of one session as JSON.
private struct SessionExport {
    let id: String
    let row: Row
    let key: Int
    let tail: TailScan
    let db: Database

    init?(id: String, _ tail: TailScan, _ db: Database) throws {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM sessions WHERE id = ?", arguments: [id]) else { return nil }
        self.id = id
        self.row = row
        self.tail = tail
        self.db = db
        key = row["key"]
    }

    func write(_ encode: (SessionEvent, inout ByteBuffer) -> Void, _ body: (borrowing ByteBuffer) -> Void) throws {
        try writeSession(body)
        try writeItems(body)
        try writeResponses(body)
        try writeEvents(encode, body)
    }

    private func writeSession(_ body: (borrowing ByteBuffer) -> Void) throws {
        let defaults = try ResponseParameters(stored: .column(row["defaults"]))
        let metadata = try JSONValue.column(row["metadata"])
        var line = ByteBuffer()
        line.appendJSONObject { object in
            object.field("record", "session")
            object.field("id", id)
            object.field("owner", row["owner"] as String)
            object.field("created_at", row["created_at"] as Int)
            object.field("used_at", row["used_at"] as Int)
            object.field("model", defaults.model)
            object.field("instructions", defaults.instructions)
            object.field("mode", row["mode"] as String)
            object.field("disconnect", row["policy"] as String)
            object.field("forked_from", row["forked_from"] as String?)
            object.field("metadata", metadata)
        }
        body(line)
    }

    private func writeItems(_ body: (borrowing ByteBuffer) -> Void) throws {
        let rows = try Row.fetchCursor(
            db, sql: "SELECT id, status, body FROM items WHERE session = ? ORDER BY position", arguments: [key])
        // Stored positions have gaps where items were deleted.
        var position = 0
        while let row = try rows.next() {
            let item = try Item(id: row["id"], status: row["status"], body: row["body"])
            var line = ByteBuffer()
            line.appendJSONObject { object in
                object.field("record", "item")
                object.field("session_id", id)
                object.field("position", position)
                object.field("item", item.json)
            }
            body(line)
            position += 1
        }
    }

    private func writeResponses(_ body: (borrowing ByteBuffer) -> Void) throws {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT ordinal, id, status, record FROM responses WHERE session = ? AND status <> 'deleted' ORDER BY ordinal
                """, arguments: [key])
        while let row = try rows.next() {
            let response = try GenerationRecord(row)
            var line = ByteBuffer()
            line.appendJSONObject { object in
                object.field("record", "response")
                object.field("session_id", id)
                object.object("response") { response.writeExport(to: &$0) }
            }
            body(line)
        }
    }

    private func writeEvents(
        _ encode: (SessionEvent, inout ByteBuffer) -> Void, _ body: (borrowing ByteBuffer) -> Void
    ) throws {
        let reading = try EventReading(db, session: key, pending: tail.events(of: key, db))
        let running = try runningHeaders(reading)
        try reading.forEachPage(after: 0) { page in
            let headers = try SessionReading(db).headers(session: key, page.responseOrdinals.subtracting(running.keys))
            page.resolve { headers[$0] ?? running[$0] }
            for event in [page].events(after: 0, upTo: .max) {
                var json = ByteBuffer()
                encode(event, &json)
                writeEvent(event.logPosition, json.bytes, body)
            }
            return true
        }
    }

    /// Headers of the responses that have not ended, with their output so far.
    private func runningHeaders(_ reading: EventReading) throws -> [Int: ResponseHeader] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT ordinal, id, status, record FROM responses WHERE session = ? AND status = 'in_progress'",
            arguments: [key])
        var headers: [Int: ResponseHeader] = [:]
        for row in rows {
            let record = try GenerationRecord(row)
            let header = ResponseHeader(record, sessionID: id)
            let events = try reading.events(of: header, from: record.firstSequence ?? 1)
            try header.restoreItems(from: events, of: record)
            headers[record.ordinal] = header
        }
        return headers
    }

    private func writeEvent(_ position: LogPosition, _ json: UnsafeRawBufferPointer, _ body: (borrowing ByteBuffer) -> Void) {
        var line = ByteBuffer(capacity: json.count + 96)
        line.appendJSONObject { object in
            object.field("record", "event")
            object.field("session_id", id)
            object.field("sequence", position.sequence)
            object.field(epochOf: position)
            object.field("event", json: json)
        }
        body(line)
    }
}

extension GenerationRecord {
    /// Its members under OpenAI's names; its last event contains the rest.
    fileprivate func writeExport(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("status", status.name)
        writer.field("created_at", createdAt)
        writer.field("completed_at", JSONValue(completedAt))
        writer.field("model", parameters.model)
        writer.field("instructions", parameters.instructions)
        writer.field("previous_response_id", previousResponseID)
        status.writeReasons(to: &writer)
        writer.array("input") { list in for item in input { list.element(item.json) } }
        writer.array("output") { list in for item in output { list.element(item.json) } }
        if let usage {
            writer.object("usage") {
                $0.field("input_tokens", usage.inputTokens)
                $0.field("output_tokens", usage.outputTokens)
                $0.field("total_tokens", usage.totalTokens)
            }
        } else {
            writer.null("usage")
        }
        writer.field("upstream", route.upstream)
        writer.array("steps") { list in for step in steps { list.object { step.write(to: &$0) } } }
    }
}

extension Store {
    /// Identifiers of the matching sessions, oldest first.
    public func sessionIDs(_ filter: SessionFilter) async throws(StorageError) -> [String] {
        try await read { db in try filter.identifiers(db) }
    }

    /// Returns the space of deleted rows to the file system, and erases their bytes.
    public func compact() throws(StorageError) {
        do {
            try pool.vacuum()
            try pool.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
        } catch {
            throw StorageError(error)
        }
    }
}
