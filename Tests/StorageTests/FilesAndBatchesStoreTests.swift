import Foundation
import Jobs
import Logging
import Storage
import Testing

/// Files and batches in SQLite, opened anew between what is written and what is read.
@Suite final class FilesAndBatchesStoreTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-store-\(UUID().uuidString)")
        .path

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func open() throws -> Store {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Store.open(directory: directory, logger: logger)
    }

    private func file(_ id: String, owner: String = "ann", purpose: String = "batch", expiresAt: Int? = nil) -> StoredFile {
        StoredFile(id: id, owner: owner, purpose: purpose, filename: "f", byteCount: 7, createdAt: 5, expiresAt: expiresAt)
    }

    @Test func filesAreTheirOwnersAndComeInPages() async throws {
        var store = try open()
        for number in 0..<5 { try await store.insert(file("f\(number)", purpose: number % 2 == 0 ? "batch" : "user_data")) }
        try await store.insert(file("g", owner: "bob"))
        await store.close()
        store = try open()
        func ids(_ query: FileQuery) async throws -> [String]? { try await store.files(query, now: 10)?.map(\.id) }
        #expect(try await ids(FileQuery(owner: "ann", limit: 10)) == ["f4", "f3", "f2", "f1", "f0"])
        #expect(try await ids(FileQuery(owner: "ann", after: "f3", limit: 2)) == ["f2", "f1"])
        #expect(try await ids(FileQuery(owner: "ann", after: "f1", limit: 2, isAscending: true)) == ["f2", "f3"])
        #expect(try await ids(FileQuery(owner: "ann", purpose: "user_data", limit: 10)) == ["f3", "f1"])
        #expect(try await ids(FileQuery(owner: "ann", after: "g", limit: 10)) == nil)
        #expect(try await store.file("g", owner: "ann", now: 10) == nil)
        #expect(try await store.file("g", owner: "bob", now: 10) == file("g", owner: "bob"))
        #expect(try await store.deleteFile("g", owner: "ann") == nil)
        #expect(try await store.deleteFile("f2", owner: "ann")?.byteCount == 7)
        #expect(try await store.fileIDs() == ["f0", "f1", "f3", "f4", "g"])
        #expect(try await store.fileBytesByOwner() == ["ann": 28, "bob": 7])
        await store.close()
    }

    @Test func filesExpire() async throws {
        let store = try open()
        try await store.insert(file("old", expiresAt: 10))
        try await store.insert(file("new", expiresAt: 11))
        #expect(try await store.file("old", owner: "ann", now: 10) == nil)
        #expect(try await store.files(FileQuery(owner: "ann", limit: 9), now: 10)?.map(\.id) == ["new"])
        #expect(try await store.expiredFiles(now: 10, limit: 9).map(\.id) == ["old"])
        await store.close()
    }

    @Test func aBatchIsKeptWithItsAnswersAndEndsWithItsFiles() async throws {
        var store = try open()
        var batch = try makeBatch("batch_1")
        try await store.insert(batch)
        batch.revision = 2
        batch.status = .inProgress
        batch.counts.total = 3
        try await store.update(batch)
        // A change that was overtaken.
        var late = batch
        late.revision = 1
        late.status = .validating
        try await store.update(late)
        var usage = BatchUsage()
        usage.outputTokens = 4
        let answers = [
            BatchLineResult(line: 2, isFailed: false, output: Array("two".utf8), usage: usage),
            BatchLineResult(line: 0, isFailed: false, output: Array("zero".utf8), usage: usage),
            BatchLineResult(line: 1, isFailed: true, output: Array("one".utf8)),
        ]
        try await store.finish(answers, of: batch.id)
        // Once more, as after a crash between the commit and the news of it.
        try await store.finish([BatchLineResult(line: 2, isFailed: true, output: [])], of: batch.id)
        await store.close()

        store = try open()
        let found = try #require(try await store.unfinishedBatches().first)
        #expect(found.status == .inProgress && found.keyID == "key_1")
        #expect(found.counts == Batch.Counts(total: 3, completed: 2, failed: 1))
        #expect(found.usage.outputTokens == 8)
        #expect(try await store.finishedLines(of: batch.id) == [0, 1, 2])
        func lines(failed: Bool, after: Int) async throws -> [String] {
            try await store.lines(of: batch.id, failed: failed, after: after, limit: 9).map {
                String(decoding: $0.output, as: UTF8.self)
            }
        }
        #expect(try await lines(failed: false, after: -1) == ["zero", "two"])
        #expect(try await lines(failed: false, after: 0) == ["two"])
        #expect(try await lines(failed: true, after: -1) == ["one"])

        var ended = found
        ended.revision = 3
        ended.status = .completed
        ended.completedAt = 9
        ended.outputFileID = "out"
        try await store.end(ended, files: [file("out", purpose: StoredFile.batchOutput)])
        // It ends once.
        try await store.end(ended, files: [file("twice")])
        await store.close()

        store = try open()
        #expect(try await store.unfinishedBatches().isEmpty)
        #expect(try await store.finishedLines(of: batch.id).isEmpty)
        #expect(try await store.fileIDs() == ["out"])
        #expect(try await store.unheardEnds().map(\.id) == [batch.id])
        // What nobody has heard of is not forgotten.
        try await store.forgetBatches(endedBefore: 100)
        try await store.setHeard(batch.id)
        #expect(try await store.unheardEnds().isEmpty)
        #expect(try await store.batch(batch.id, owner: "bob") == nil)
        #expect(try await store.batch(batch.id, owner: "ann")?.outputFileID == "out")
        try await store.forgetBatches(endedBefore: 9)
        #expect(try await store.batch(batch.id, owner: "ann") != nil)
        try await store.forgetBatches(endedBefore: 10)
        #expect(try await store.batch(batch.id, owner: "ann") == nil)
        await store.close()
    }

    @Test func batchesComeInPagesNewestFirst() async throws {
        let store = try open()
        for number in 0..<4 { try await store.insert(try makeBatch("b\(number)")) }
        #expect(try await store.batches(owner: "ann", after: nil, limit: 3)?.map(\.id) == ["b3", "b2", "b1"])
        #expect(try await store.batches(owner: "ann", after: "b1", limit: 3)?.map(\.id) == ["b0"])
        #expect(try await store.batches(owner: "bob", after: "b1", limit: 3) == nil)
        #expect(try await store.unfinishedBatches().map(\.id) == ["b0", "b1", "b2", "b3"])
        await store.close()
    }

    private func makeBatch(_ id: String) throws -> Batch {
        Batch(
            id: id, owner: "ann", keyID: "key_1", endpoint: .responses, inputFileID: "in", window: try CompletionWindow("24h"),
            metadata: "{\"a\":\"b\"}", outputExpires: nil, now: 1)
    }
}
