import Glibc
import Logging

/// Opening batches: reading and validating their input.
extension BatchEngine {
    /// Reads the input of as many batches as may be open, the owners with the fewest open ones first.
    func openWaiting() {
        while !isStopping, open.count + opening.count < limits.maxOpen, !waiting.isEmpty {
            var counts: [String: Int] = [:]
            for batch in open { counts[batch.batch.owner, default: 0] += 1 }
            for batch in opening.values { counts[batch.owner, default: 0] += 1 }
            let fewest = waiting.map { counts[$0.owner, default: 0] }.min() ?? 0
            guard let index = waiting.firstIndex(where: { counts[$0.owner, default: 0] == fewest }) else { return }
            let batch = waiting.remove(at: index)
            opening[batch.id] = batch
            Task(priority: .utility) { await self.openInput(of: batch) }
        }
    }

    private func openInput(of batch: Batch) async {
        do throws(JobError) {
            if batch.status == .validating || batch.inProgressAt == nil {
                try await validate(batch)
            } else {
                let input = try await BatchInput.open(try library.openInput(of: batch.id), limits)
                await begin(batch.id, input, finished: try await store.finishedLines(of: batch.id))
            }
        } catch {
            logger.error("the input of a batch cannot be read", metadata: ["batch": "\(batch.id)", "error": "\(error)"])
            let reason = Batch.Fault(code: "input_unavailable", message: "The input file cannot be read: \(error)")
            await fail(batch.id, [reason], total: 0)
        }
    }

    private func validate(_ batch: Batch) async throws(JobError) {
        let reader = try library.openInput(of: batch.id)
        let found = try await BatchValidation.validate(reader, endpoint: batch.endpoint, limits: limits)
        guard let status = opening[batch.id]?.status else { return }
        if !found.faults.isEmpty, status == .validating {
            await fail(batch.id, found.faults, total: found.lines.count)
            return
        }
        opening[batch.id]?.model = found.model
        opening[batch.id]?.counts.total = found.lines.count
        // A batch cancelled meanwhile ends at once.
        if status == .validating { opening[batch.id]?.enter(.inProgress, now: time(nil)) }
        if let changed = opening[batch.id] { try await store.update(changed) }
        await begin(batch.id, BatchInput(reader: reader, lines: found.lines), finished: [])
    }

    private func begin(_ id: String, _ input: BatchInput, finished: [Int]) async {
        interactiveCount = await runner.interactiveCount()
        guard let batch = opening.removeValue(forKey: id) else { return }
        let opened = OpenBatch(batch, input: input, finished: finished)
        if batch.cancellingAt != nil {
            opened.stop(as: .cancelled)
        } else if batch.ending == .expired || batch.ending == nil && batch.expiresAt <= time(nil) {
            // Also if it expired while no server was running.
            opened.stop(as: .expired)
        }
        open.append(opened)
        pump()
        endIfDone(opened)
    }

    private func fail(_ id: String, _ faults: [Batch.Fault], total: Int) async {
        guard var batch = opening[id] else { return }
        batch.faults = faults
        batch.counts.total = total
        batch.enter(.failed, now: time(nil))
        await end(batch, files: [])
        opening[id] = nil
        openWaiting()
    }
}
