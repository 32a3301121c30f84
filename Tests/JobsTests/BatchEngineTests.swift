import Foundation
import JSON
import Jobs
import Synchronization
import Testing

@Suite struct BatchEngineTests {
    private func customIDs(_ rows: [String]) throws -> [String] {
        try rows.map { try JSONValue.parse($0)["custom_id"]?.string ?? "" }
    }

    @Test func eachRequestIsRunOnceAndItsAnswerIsInTheOutput() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner()
        let engine = try await fixture.engine(runner)
        let batch = try await fixture.wait(engine, try await fixture.create(engine, count: 100))
        #expect(batch.status == .completed)
        #expect(batch.counts == Batch.Counts(total: 100, completed: 100, failed: 0))
        #expect(batch.errorFileID == nil)
        #expect(try customIDs(fixture.read(batch.outputFileID)) == (0..<100).map { "l\($0)" })
        #expect(runner.attempts.count == 100 && runner.attempts.values.allSatisfy { $0 == 1 })
        #expect(runner.mostRunning <= BatchLimits().concurrencyPerBatch)
        #expect(try await fixture.told() == ["batch.completed ann \(batch.id)"])
        // The answers are in the files now, and the second name of the input is gone.
        #expect(fixture.store.state.withLock { $0.lines.isEmpty })
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory + "/batches").isEmpty)
    }

    @Test func whatFailsForGoodGoesToTheErrorFile() async throws {
        let fixture = try await BatchFixture()
        let engine = try await fixture.engine(ScriptedRunner { id, _ in ScriptedRunner.answer(id, status: id == "l1" ? 400 : 200) })
        let batch = try await fixture.wait(engine, try await fixture.create(engine, count: 3))
        #expect(batch.counts == Batch.Counts(total: 3, completed: 2, failed: 1))
        #expect(try customIDs(fixture.read(batch.outputFileID)) == ["l0", "l2"])
        #expect(try customIDs(fixture.read(batch.errorFileID)) == ["l1"])
    }

    @Test func whatFailsForNowIsTriedAgain() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner { id, attempt in
            switch id {
            // Asks to slow down more often than anything else is tried.
            case "l0": ScriptedRunner.answer(id, status: attempt < 12 ? 429 : 200, retryAfter: 0.001)
            case "l1": ScriptedRunner.answer(id, status: 500)
            case "l2": ScriptedRunner.answer(id, status: attempt < 3 ? 502 : 200)
            default: ScriptedRunner.answer(id)
            }
        }
        let engine = try await fixture.engine(runner)
        let batch = try await fixture.wait(engine, try await fixture.create(engine, count: 4))
        #expect(runner.attempts == ["l0": 12, "l1": BatchLimits().maxAttempts, "l2": 3, "l3": 1])
        #expect(batch.counts == Batch.Counts(total: 4, completed: 3, failed: 1))
        #expect(try customIDs(fixture.read(batch.errorFileID)) == ["l1"])
    }

    @Test func cancellingStopsWhatRunsAndKeepsWhatWasFinished() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner { id, _ in id < "l3" ? ScriptedRunner.answer(id) : await ScriptedRunner.hang() }
        let engine = try await fixture.engine(runner)
        let made = try await fixture.create(engine, count: 9)
        _ = try await fixture.wait(engine, made) { $0.counts.completed == 3 }
        _ = try await engine.cancel(made.id, owner: fixture.owner)
        let batch = try await fixture.wait(engine, made)
        #expect(batch.status == .cancelled)
        #expect(batch.counts == Batch.Counts(total: 9, completed: 3, failed: 0))
        #expect(try fixture.read(batch.outputFileID).count == 3)
        #expect(runner.running == 0)
        #expect(try await engine.cancel(made.id, owner: fixture.owner).status == .cancelled)
        await #expect(throws: JobError.batchNotFound(id: made.id)) { try await engine.cancel(made.id, owner: "bob") }
        #expect(try await fixture.told() == ["batch.cancelled ann \(made.id)"])
    }

    @Test func whatIsNotRunWhenTheTimeIsOverIsToldSo() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner { id, _ in id < "l2" ? ScriptedRunner.answer(id) : await ScriptedRunner.hang() }
        let engine = try await fixture.engine(runner)
        let batch = try await fixture.wait(engine, try await fixture.create(engine, count: 9, window: "1s"))
        #expect(batch.status == .expired)
        // How many of the two that can end have ended by then is the machine's affair; those that cannot have not.
        let ended = try customIDs(fixture.read(batch.outputFileID))
        #expect(ended == Array(["l0", "l1"].prefix(ended.count)))
        #expect(batch.counts == Batch.Counts(total: 9, completed: ended.count, failed: 9 - ended.count))
        let errors = try fixture.read(batch.errorFileID)
        #expect(try customIDs(errors) == (ended.count..<9).map { "l\($0)" })
        #expect(errors.allSatisfy { $0.contains("\"response\":null,\"error\":{\"code\":\"batch_expired\"") })
    }

    /// The process ends in the middle: the next one runs what has no answer, and nothing else.
    @Test func aRestartRepeatsNothingThatWasFinished() async throws {
        let fixture = try await BatchFixture()
        let before = ScriptedRunner { id, _ in
            (Int(id.dropFirst()) ?? 0) % 2 == 0 ? ScriptedRunner.answer(id) : await ScriptedRunner.hang()
        }
        var limits = BatchFixture.quickLimits
        limits.concurrencyPerBatch = 30
        limits.concurrency = 30
        let first = try await fixture.engine(before, limits)
        let made = try await fixture.create(first, count: 50)
        _ = try await fixture.wait(first, made) { $0.counts.completed == 25 }
        fixture.store.close()
        await first.stop()
        fixture.store.reopen()
        let after = ScriptedRunner()
        let second = try await fixture.engine(after)
        let batch = try await fixture.wait(second, made)
        #expect(batch.counts == Batch.Counts(total: 50, completed: 50, failed: 0))
        #expect(Set(after.attempts.keys) == Set((0..<25).map { "l\($0 * 2 + 1)" }))
        #expect(try customIDs(fixture.read(batch.outputFileID)) == (0..<50).map { "l\($0)" })
        #expect(try await fixture.told() == ["batch.completed ann \(made.id)"])
    }

    /// The process ends when all is answered and the files are made, but not the batch's end.
    @Test(arguments: [Batch.Status.completed, .expired, .cancelled])
    func aRestartJustBeforeTheEndEndsItAsItWouldHaveEnded(_ status: Batch.Status) async throws {
        let fixture = try await BatchFixture()
        let first = try await fixture.engine(
            ScriptedRunner { id, _ in status == .completed || id == "l0" ? ScriptedRunner.answer(id) : await ScriptedRunner.hang() }
        )
        fixture.store.state.withLock { $0.refusesEnds = true }
        let made = try await fixture.create(first, count: 3, window: status == .expired ? "1s" : "24h")
        if status == .cancelled {
            _ = try await fixture.wait(first, made) { $0.counts.completed == 1 }
            _ = try await first.cancel(made.id, owner: fixture.owner)
        }
        // The first engine has done all that it is going to do.
        let store = fixture.store
        _ = try await fixture.wait(first, made) { _ in store.state.withLock { $0.refusedEndCount } == 1 }
        await first.stop()
        fixture.store.state.withLock { $0.refusesEnds = false }
        let runner = ScriptedRunner()
        let batch = try await fixture.wait(try await fixture.engine(runner), made)
        #expect(batch.status == status)
        #expect(runner.attempts.isEmpty)
        #expect(try fixture.read(batch.outputFileID).count == batch.counts.completed)
        #expect(try fixture.read(batch.errorFileID).count == batch.counts.failed)
    }

    @Test func aBatchWhoseTimeWasOverWhileNoServerRanIsNotBegunAgain() async throws {
        let fixture = try await BatchFixture()
        let first = try await fixture.engine(ScriptedRunner { _, _ in await ScriptedRunner.hang() })
        let made = try await fixture.create(first, count: 3)
        _ = try await fixture.wait(first, made) { $0.status == .inProgress }
        fixture.store.close()
        await first.stop()
        fixture.store.state.withLock { state in
            state.isClosed = false
            state.batches[0].expiresAt = 1
        }
        let runner = ScriptedRunner()
        let batch = try await fixture.wait(try await fixture.engine(runner), made)
        #expect(batch.status == .expired)
        #expect(batch.counts == Batch.Counts(total: 3, completed: 0, failed: 3))
        #expect(runner.attempts.isEmpty)
    }

    @Test func anEndThatNobodyHeardIsToldAfterARestart() async throws {
        let fixture = try await BatchFixture()
        let engine = try await fixture.engine(ScriptedRunner())
        let batch = try await fixture.wait(engine, try await fixture.create(engine, count: 1))
        fixture.store.state.withLock { _ = $0.unheard.insert(batch.id) }
        _ = try await fixture.engine(ScriptedRunner())
        #expect(try await fixture.told(2) == Array(repeating: "batch.completed ann \(batch.id)", count: 2))
    }

    @Test func batchesTakeTurns() async throws {
        let fixture = try await BatchFixture()
        var limits = BatchFixture.quickLimits
        limits.concurrency = 2
        let gate = Mutex(false)
        let runner = ScriptedRunner { id, _ in
            while !gate.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(2)) }
            return ScriptedRunner.answer(id)
        }
        let engine = try await fixture.engine(runner, limits)
        let long = try await fixture.create(engine, count: 200, prefix: "a")
        let short = try await fixture.create(engine, count: 10, prefix: "b")
        for batch in [long, short] { _ = try await fixture.wait(engine, batch) { $0.status == .inProgress } }
        gate.withLock { $0 = true }
        _ = try await fixture.wait(engine, short)
        // Each second request is the short one's, but for those that began before it was there.
        let asked = runner.order
        let lastOfShort = asked.lastIndex { $0.hasPrefix("b") } ?? 0
        #expect(asked[...lastOfShort].count { $0.hasPrefix("a") } <= 14)
        #expect(runner.mostRunning <= 2)
        #expect(try await fixture.wait(engine, long).counts.completed == 200)
    }

    @Test func batchesMakeRoomForThoseWhoWait() async throws {
        let fixture = try await BatchFixture()
        let runner = ScriptedRunner()
        runner.interactive.withLock { $0 = 1000 }
        let engine = try await fixture.engine(runner)
        #expect(try await fixture.wait(engine, try await fixture.create(engine, count: 30)).counts.completed == 30)
        #expect(runner.mostRunning == 1)
    }

    @Test func unfinishedBatchesOfOneOwnerAreBounded() async throws {
        let fixture = try await BatchFixture()
        var limits = BatchFixture.quickLimits
        limits.maxUnfinishedPerOwner = 2
        limits.maxOpen = 1
        let engine = try await fixture.engine(ScriptedRunner { _, _ in await ScriptedRunner.hang() }, limits)
        let batches = [try await fixture.create(engine, count: 1), try await fixture.create(engine, count: 1)]
        await #expect(throws: JobError.tooManyBatches(limit: 2)) { _ = try await fixture.create(engine, count: 1) }
        // One that waits for its turn can be cancelled like any other.
        for batch in batches.reversed() { _ = try await engine.cancel(batch.id, owner: fixture.owner) }
        for batch in batches { #expect(try await fixture.wait(engine, batch).status == .cancelled) }
    }
}
