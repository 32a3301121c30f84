import Foundation
import GRDB
import JSON
import Sessions

/// Reads the log of one session from a single state of the database: its chunks, then the events that were only in the tail.
struct EventReading {
    private let db: Database
    private let session: Int
    /// The epochs of the log.
    let epochs: LogEpochs
    /// Events that follow those in the chunks.
    private let pending: EventChunk?
    /// Sequence number of the last event in chunks; 0 for none.
    private let lastInChunks: Int

    /// - Parameter pending: the session's events in the tail at this state of the database or before.
    init(_ db: Database, session: Int, pending: EventChunk?) throws {
        self.db = db
        self.session = session
        epochs = try EventTable.epochs(session, db)
        lastInChunks = try EventTable.lastSequence(session, db)
        let stored = lastInChunks
        // They may have been moved to a chunk since.
        self.pending = pending.flatMap { $0.first > stored ? $0 : nil }
    }

    /// Sequence number of the newest event; 0 if there was none.
    var lastSequence: Int { pending?.last ?? lastInChunks }

    /// Sequence number of the oldest event in the store.
    var oldestSequence: Int {
        get throws {
            let stored = try Int.fetchOne(
                db, sql: "SELECT first FROM event_chunks WHERE session = ? ORDER BY last LIMIT 1", arguments: [session])
            return stored ?? pending?.first ?? lastSequence + 1
        }
    }

    /// The newest events, in pages of about `maxBytes` together; at least one page if there are any events.
    func newest(maxBytes: Int) throws -> [LogPage] {
        var newestFirst: [EventChunk] = []
        var taken = 0
        try forEachChunkBackwards { chunk in
            guard newestFirst.isEmpty || taken + chunk.bytes.count <= maxBytes else { return false }
            taken += chunk.bytes.count
            newestFirst.append(chunk)
            return true
        }
        var startOffset = 0
        return try newestFirst.reversed().map { chunk in
            defer { startOffset += chunk.bytes.count }
            return try chunk.page(epochs, startOffset: startOffset)
        }
    }

    /// Pages with the events after `sequence`, and possibly some before it, of up to `maxBytes` and one page more.
    func pages(after sequence: Int, maxBytes: Int = .max) throws -> [LogPage] {
        var pages: [LogPage] = []
        var taken = 0
        try forEachPage(after: sequence) { page in
            pages.append(page)
            taken += page.capacity
            return taken < maxBytes
        }
        return pages
    }

    /// The events of one response.
    /// - Parameter first: the position of its first one.
    func events(of header: ResponseHeader, from first: Int) throws -> [SessionEvent] {
        var events: [SessionEvent] = []
        try forEachPage(after: first - 1) { page in
            page.resolve { $0 == header.ordinal ? header : nil }
            events += [page].events(after: 0, upTo: .max).filter { $0.isPart(of: header) }
            return true
        }
        return events
    }

    /// Calls `body` for each page with events after `sequence`, in order, as long as it returns true.
    func forEachPage(after sequence: Int, _ body: (LogPage) throws -> Bool) throws {
        var goesOn = true
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM event_chunks WHERE session = ? AND last > ? ORDER BY last", arguments: [session, sequence])
        while goesOn, let row = try rows.next() { goesOn = try body(EventChunk(row).page(epochs)) }
        if goesOn, let pending, pending.last > sequence { _ = try body(pending.page(epochs)) }
    }

    private func forEachChunkBackwards(_ body: (EventChunk) throws -> Bool) throws {
        if let pending, try !body(pending) { return }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM event_chunks WHERE session = ? ORDER BY last DESC", arguments: [session])
        while let row = try rows.next(), try body(EventChunk(row)) {}
    }
}

extension EventChunk {
    init(_ row: Row) throws {
        self.init(
            session: row["session"], first: row["first"], last: row["last"],
            bytes: [UInt8](row["payload"] as Data))
        guard first > 0, last >= first, last < 1 << 53, last - first < bytes.count else {
            throw MalformedRecord(record: "place in the log")
        }
    }
}
