import Glibc
import Logging
import Sessions

/// Ending batches.
extension BatchEngine {
    /// Delay before writing a batch's files is retried.
    private static let retryInterval = Duration.seconds(5)

    /// Creates the files of a batch and ends it, once nothing is running and no request is left.
    func endIfDone(_ batch: OpenBatch) {
        guard batch.running.isEmpty, batch.ending != nil || batch.undoneCount == 0, !batch.isFinalizing else { return }
        batch.isFinalizing = true
        Task(priority: .utility) { await self.finalize(batch) }
    }

    private func finalize(_ opened: OpenBatch) async {
        let ending = opened.ending ?? .completed
        while true {
            do throws(JobError) {
                if ending != .cancelled, opened.batch.status != .finalizing {
                    opened.batch.ending = ending
                    opened.batch.enter(.finalizing, now: time(nil))
                    try await store.update(opened.batch)
                }
                if ending == .expired { try await storeExpired(opened) }
                var files: [StoredFile] = []
                var ended = opened.batch
                if let file = try await makeFile(opened.batch, failed: false) {
                    ended.outputFileID = file.id
                    files.append(file)
                }
                if let file = try await makeFile(opened.batch, failed: true) {
                    ended.errorFileID = file.id
                    files.append(file)
                }
                ended.enter(ending, now: time(nil))
                await end(ended, files: files)
                break
            } catch {
                logger.error(
                    "the files of a batch cannot be written", metadata: ["batch": "\(opened.batch.id)", "error": "\(error)"])
                try? await Task.sleep(for: Self.retryInterval)
            }
        }
        open.removeAll { $0 === opened }
        openWaiting()
        pump()
    }

    /// Commits the end of a batch, and reports it.
    func end(_ batch: Batch, files: [StoredFile]) async {
        do throws(JobError) {
            try await store.end(batch, files: files)
        } catch {
            // The store is closed: the batch ends after the next start.
            return
        }
        for file in files { library.count(file.byteCount, for: file.owner) }
        library.dropInput(of: batch.id)
        await tell(batch)
    }

    func tell(_ batch: Batch) async {
        sink?.emit(type: "batch.\(batch.status.rawValue)", owner: batch.owner, objectID: batch.id)
        try? await store.setHeard(batch.id)
    }

    /// Answers the remaining requests with `batch_expired`.
    private func storeExpired(_ opened: OpenBatch) async throws(JobError) {
        var results: [BatchLineResult] = []
        let undone = opened.undone
        for (index, line) in undone.enumerated() {
            let bytes = try await opened.input.line(line)
            let customID = (try? BatchRequest(bytes, endpoint: opened.batch.endpoint, limits: limits).customID) ?? ""
            results.append(
                BatchLineResult(
                    line: line, customID: customID, code: "batch_expired",
                    message: "This request could not be executed before the completion window expired."))
            guard results.count == Self.pageCount || index == undone.count - 1 else { continue }
            try await store.finish(results, of: opened.batch.id)
            for result in results { opened.setDone(result.line) }
            opened.batch.counts.failed += results.count
            results = []
        }
    }

    /// Number of answers read from the store at once.
    private static let pageCount = 100

    /// Writes the answers of one kind to a file, without adding its row.
    /// - Returns: nil without any answers.
    private func makeFile(_ batch: Batch, failed: Bool) async throws(JobError) -> StoredFile? {
        var page = try await store.lines(of: batch.id, failed: failed, after: -1, limit: Self.pageCount)
        if page.isEmpty { return nil }
        let id = Identifier.make("file-")
        let writer = library.makeWriter(id)
        do throws(JobError) {
            while let last = page.last {
                var bytes: [UInt8] = []
                for line in page { bytes += line.output + [0x0A] }
                try await writer.append(bytes)
                page = try await store.lines(of: batch.id, failed: failed, after: last.line, limit: Self.pageCount)
            }
            let byteCount = try await writer.finish()
            let now = time(nil)
            return StoredFile(
                id: id, owner: batch.owner, purpose: StoredFile.batchOutput,
                filename: "\(batch.id)_\(failed ? "error" : "output").jsonl",
                byteCount: byteCount, createdAt: now, expiresAt: batch.outputExpires.map { now + $0.seconds })
        } catch {
            writer.discard()
            throw error
        }
    }
}
