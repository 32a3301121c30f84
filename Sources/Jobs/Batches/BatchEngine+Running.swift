import Logging

/// Running the requests of open batches, and storing their answers.
extension BatchEngine {
    /// Fills the free slots with requests, serving batches round-robin.
    func pump() {
        let now = ContinuousClock.now
        var free = max(1, limits.concurrency - interactiveCount) - open.reduce(0) { $0 + $1.running.count }
        var passed = 0
        while !isStopping, free > 0, passed < open.count {
            turn = (turn + 1) % open.count
            let batch = open[turn]
            let isPaused = batch.batch.model.flatMap { pauses[$0] }.map { $0 > now } ?? false
            guard batch.ending == nil, !isPaused, batch.running.count < limits.concurrencyPerBatch,
                let (line, attempt) = batch.takeLine(now: now)
            else {
                passed += 1
                continue
            }
            passed = 0
            free -= 1
            batch.running[line] = Task(priority: .utility) { await self.run(line, attempt: attempt, of: batch.batch, batch.input) }
        }
    }

    private nonisolated func run(_ line: Int, attempt: Int, of batch: Batch, _ input: BatchInput) async {
        do throws(JobError) {
            let bytes = try await input.line(line)
            let request: BatchRequest
            do throws(Batch.Fault) {
                request = try BatchRequest(bytes, endpoint: batch.endpoint, limits: limits)
            } catch {
                throw .storageUnavailable(reason: "line \(line) of the input has changed: \(error.message)")
            }
            let answer = await runner.run(request, owner: batch.owner, keyID: batch.keyID)
            await answered(line, attempt: attempt, of: batch.id, request.customID, answer)
        } catch {
            logger.error("a request of a batch cannot be run", metadata: ["batch": "\(batch.id)", "error": "\(error)"])
            await answered(line, attempt: attempt, of: batch.id, "", nil)
        }
    }

    private func answered(_ line: Int, attempt: Int, of id: String, _ customID: String, _ answer: BatchAnswer?) async {
        guard let batch = open.first(where: { $0.batch.id == id }) else { return }
        if let answer, !mustRetry(answer, attempt: attempt, batch) {
            await commit(BatchLineResult(line: line, customID: customID, answer: answer), of: batch)
        } else if batch.ending == nil {
            let delay = limits.delay(
                afterAttempt: attempt, askedSeconds: answer?.retryAfterSeconds, jitter: .random(in: 0..<1))
            // A stopped request has not failed.
            batch.retry(line, attempt: answer == nil ? attempt - 1 : attempt, due: ContinuousClock.now + delay)
            if let answer, answer.isAboutTheUpstream, let model = batch.batch.model {
                pauses[model] = max(pauses[model] ?? .now, .now + delay)
            }
        }
        batch.running[line] = nil
        pump()
        endIfDone(batch)
    }

    private func mustRetry(_ answer: BatchAnswer, attempt: Int, _ batch: OpenBatch) -> Bool {
        answer.isPassing && batch.ending == nil && (answer.isAboutTheUpstream || attempt < limits.maxAttempts)
    }

    private func commit(_ result: BatchLineResult, of batch: OpenBatch) async {
        do throws(JobError) {
            try await store.finish([result], of: batch.batch.id)
        } catch {
            // The store is closed: the request runs again after the next start.
            logger.debug("an answer arrived after the store was closed", metadata: ["batch": "\(batch.batch.id)"])
            return
        }
        batch.setDone(result.line)
        if result.isFailed { batch.batch.counts.failed += 1 } else { batch.batch.counts.completed += 1 }
        batch.batch.usage += result.usage
    }
}
