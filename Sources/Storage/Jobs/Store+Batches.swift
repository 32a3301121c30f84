import Foundation
import GRDB
public import Jobs

extension Store: BatchStore {
    public func insert(_ batch: Batch) async throws(JobError) {
        try await change { db in
            try db.execute(
                sql: "INSERT INTO batches (id, owner, status, revision, record) VALUES (?, ?, ?, ?, ?)",
                arguments: [batch.id, batch.owner, batch.status.rawValue, batch.revision, try Self.record(batch)])
        }
    }

    public func batch(_ id: String, owner: String) async throws(JobError) -> Batch? {
        try await look { db in
            try Row.fetchOne(db, sql: "SELECT * FROM batches WHERE id = ? AND owner = ?", arguments: [id, owner]).map(Batch.init)
        }
    }

    public func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> [Batch]? {
        try await look { db in
            var place = Int.max
            if let after {
                let key = try Int.fetchOne(
                    db, sql: "SELECT key FROM batches WHERE id = ? AND owner = ?", arguments: [after, owner])
                guard let key else { return nil }
                place = key
            }
            return try Row.fetchAll(
                db, sql: "SELECT * FROM batches WHERE owner = ? AND key < ? ORDER BY key DESC LIMIT ?",
                arguments: [owner, place, limit]
            ).map(Batch.init)
        }
    }

    public func unfinishedBatches() async throws(JobError) -> [Batch] {
        try await look { db in
            try Row.fetchAll(db, sql: "SELECT * FROM batches WHERE ended_at IS NULL ORDER BY key").map(Batch.init)
        }
    }

    public func update(_ batch: Batch) async throws(JobError) {
        try await change { db in
            try db.execute(
                sql: "UPDATE batches SET status = ?, revision = ?, record = ? WHERE id = ? AND revision <= ? AND ended_at IS NULL",
                arguments: [batch.status.rawValue, batch.revision, try Self.record(batch), batch.id, batch.revision])
        }
    }

    public func finish(_ lines: [BatchLineResult], of batchID: String) async throws(JobError) {
        try await change { db in
            let key = try Int.fetchOne(db, sql: "SELECT key FROM batches WHERE id = ? AND ended_at IS NULL", arguments: [batchID])
            guard let key else { return }
            for line in lines {
                try db.execute(
                    sql: "INSERT OR IGNORE INTO batch_lines (batch, line, is_failed, output) VALUES (?, ?, ?, ?)",
                    arguments: [key, line.line, line.isFailed, Data(line.output)])
                if db.changesCount == 0 { continue }
                try db.execute(
                    sql: """
                        UPDATE batches SET completed = completed + ?, failed = failed + ?, input_tokens = input_tokens + ?,
                        cached_tokens = cached_tokens + ?, output_tokens = output_tokens + ?, reasoning_tokens = reasoning_tokens + ?
                        WHERE key = ?
                        """,
                    arguments: [
                        line.isFailed ? 0 : 1, line.isFailed ? 1 : 0, line.usage.inputTokens, line.usage.cachedTokens,
                        line.usage.outputTokens, line.usage.reasoningTokens, key,
                    ])
            }
        }
    }

    public func finishedLines(of batchID: String) async throws(JobError) -> [Int] {
        try await look { db in
            try Int.fetchAll(
                db, sql: "SELECT line FROM batch_lines WHERE batch = (SELECT key FROM batches WHERE id = ?)", arguments: [batchID])
        }
    }

    public func lines(of batchID: String, failed: Bool, after line: Int, limit: Int) async throws(JobError) -> [BatchLineResult] {
        try await look { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT line, output FROM batch_lines
                    WHERE batch = (SELECT key FROM batches WHERE id = ?) AND line > ? AND is_failed = ? ORDER BY line LIMIT ?
                    """, arguments: [batchID, line, failed, limit]
            ).map { row in
                let output: Data = row["output"]
                return BatchLineResult(line: row["line"], isFailed: failed, output: [UInt8](output))
            }
        }
    }

    public func end(_ batch: Batch, files: [StoredFile]) async throws(JobError) {
        try await change { db in
            try db.execute(
                sql: """
                    UPDATE batches SET status = ?, revision = ?, record = ?, ended_at = ?, is_unheard = 1
                    WHERE id = ? AND ended_at IS NULL
                    """,
                arguments: [
                    batch.status.rawValue, batch.revision, try Self.record(batch), batch.endedAt ?? batch.createdAt, batch.id,
                ])
            if db.changesCount == 0 { return }
            for file in files { try Self.insert(file, db) }
            try db.execute(
                sql: "DELETE FROM batch_lines WHERE batch = (SELECT key FROM batches WHERE id = ?)", arguments: [batch.id])
        }
    }

    public func unheardEnds() async throws(JobError) -> [Batch] {
        try await look { db in
            try Row.fetchAll(db, sql: "SELECT * FROM batches WHERE is_unheard = 1 ORDER BY key").map(Batch.init)
        }
    }

    public func setHeard(_ id: String) async throws(JobError) {
        try await change { db in try db.execute(sql: "UPDATE batches SET is_unheard = 0 WHERE id = ?", arguments: [id]) }
    }

    public func forgetBatches(endedBefore time: Int) async throws(JobError) {
        let ids = try await change { db in
            let ids = try String.fetchAll(
                db, sql: "DELETE FROM batches WHERE ended_at < ? AND is_unheard = 0 RETURNING id", arguments: [time])
            try IdempotencyStore.erase(ids, db)
            return ids
        }
        erased(ids)
    }

    private static func record(_ batch: Batch) throws -> String {
        String(decoding: try JSONEncoder().encode(batch), as: UTF8.self)
    }
}

extension Batch {
    fileprivate init(_ row: Row) throws {
        let record: String = row["record"]
        self = try JSONDecoder().decode(Batch.self, from: Data(record.utf8))
        counts.completed = row["completed"]
        counts.failed = row["failed"]
        usage.inputTokens = row["input_tokens"]
        usage.cachedTokens = row["cached_tokens"]
        usage.outputTokens = row["output_tokens"]
        usage.reasoningTokens = row["reasoning_tokens"]
    }

    fileprivate var endedAt: Int? { completedAt ?? failedAt ?? expiredAt ?? cancelledAt }
}
