import Glibc
import JSON
public import Logging
import Sessions

/// Works batches off: checks their input, runs their requests a few at a time, and makes files of the answers.
///
/// What was answered is kept before the next request takes its place, so that a crash repeats only what was running. A batch ends in
/// one transaction: its files are there, or it goes on.
public actor BatchEngine {
    let store: any BatchStore
    let library: FileLibrary
    let runner: any BatchRunner
    let sink: (any JobEventSink)?
    let limits: BatchLimits
    let logger: Logger
    /// Unfinished batches that wait for their turn, oldest first.
    private var waiting: [Batch] = []
    /// Batches whose input is being read, as they stand.
    var opening: [String: Batch] = [:]
    var open: [OpenBatch] = []
    /// The batch in `open` that is asked first for a request.
    private var turn = 0
    /// Models whose upstream asked to slow down, and until when.
    var pauses: [String: ContinuousClock.Instant] = [:]
    private var interactiveCount = 0
    private var isStopping = false
    private var ticker: Task<Void, Never>?

    /// How often it is looked whether something is due.
    private static let tickInterval = Duration.milliseconds(200)
    private static let forgetInterval = Duration.seconds(3600)

    /// - Parameter sink: hears how batches end.
    public init(
        store: any BatchStore, library: FileLibrary, runner: any BatchRunner, sink: (any JobEventSink)? = nil,
        limits: BatchLimits = BatchLimits(), logger: Logger
    ) {
        self.store = store
        self.library = library
        self.runner = runner
        self.sink = sink
        self.limits = limits
        self.logger = logger
    }

    /// Goes on with what was unfinished when the process ended.
    public func start() async throws(JobError) {
        waiting = try await store.unfinishedBatches()
        library.dropInputs(except: Set(waiting.map(\.id)))
        for batch in try await store.unheardEnds() { await tell(batch) }
        openWaiting()
        ticker = Task(priority: .utility) { [weak self] in
            var lastForget: ContinuousClock.Instant?
            while !Task.isCancelled {
                await self?.tick()
                let now = ContinuousClock.now
                if lastForget.map({ now - $0 >= Self.forgetInterval }) ?? true {
                    lastForget = now
                    await self?.forgetOld()
                }
                try? await Task.sleep(for: Self.tickInterval)
            }
        }
    }

    /// Begins nothing more. What runs may go on until the server ends it; it is run again after the next start.
    public func stop() {
        isStopping = true
        ticker?.cancel()
    }

    /// Whether requests run.
    public var isRunning: Bool { open.contains { !$0.running.isEmpty } }

    // MARK: For clients

    /// Makes a batch.
    /// - Parameter keyID: the key that its usage is counted for.
    public func create(
        owner: String, keyID: String? = nil, inputFileID: String, endpoint: BatchEndpoint, window: CompletionWindow,
        metadata: String? = nil, outputExpires: ExpiresAfter? = nil
    ) async throws(JobError) -> Batch {
        let file: StoredFile
        do throws(JobError) {
            file = try await library.file(inputFileID, owner: owner)
        } catch .fileNotFound {
            throw .invalid("'input_file_id' names no file of yours.", param: "input_file_id", code: "file_not_found")
        }
        guard file.purpose == "batch" else {
            throw .invalid(
                "The purpose of an input file must be 'batch', not '\(file.purpose)'.", param: "input_file_id",
                code: "invalid_purpose")
        }
        let unfinished = waiting.count { $0.owner == owner } + opening.values.count { $0.owner == owner }
        guard unfinished + open.count(where: { $0.batch.owner == owner }) < limits.maxUnfinishedPerOwner else {
            throw .tooManyBatches(limit: limits.maxUnfinishedPerOwner)
        }
        let batch = Batch(
            id: Identifier.make("batch_"), owner: owner, keyID: keyID, endpoint: endpoint, inputFileID: inputFileID,
            window: window, metadata: metadata, outputExpires: outputExpires, now: time(nil))
        try library.keepInput(inputFileID, for: batch.id)
        do throws(JobError) {
            try await store.insert(batch)
        } catch {
            library.dropInput(of: batch.id)
            throw error
        }
        waiting.append(batch)
        openWaiting()
        return batch
    }

    public func batch(_ id: String, owner: String) async throws(JobError) -> Batch {
        guard let batch = try await store.batch(id, owner: owner) else { throw .batchNotFound(id: id) }
        return batch
    }

    /// A page, newest first, and whether there is more.
    public func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> (page: [Batch], hasMore: Bool) {
        guard let batches = try await store.batches(owner: owner, after: after, limit: limit + 1) else {
            throw .invalid("'after' is no batch of yours.", param: "after", code: "invalid_value")
        }
        return (Array(batches.prefix(limit)), batches.count > limit)
    }

    /// Stops a batch: what runs is stopped, what was answered stays. Of one that is cancelled already, the batch as it stands.
    public func cancel(_ id: String, owner: String) async throws(JobError) -> Batch {
        let known = try await batch(id, owner: owner)
        if let index = waiting.firstIndex(where: { $0.id == id }) {
            waiting[index].cancel(now: time(nil))
            try await store.update(waiting[index])
        } else if opening[id] != nil {
            opening[id]?.cancel(now: time(nil))
            if let batch = opening[id] { try await store.update(batch) }
        } else if let found = open.first(where: { $0.batch.id == id }) {
            if found.ending != .cancelled {
                guard !found.isFinalizing, found.ending == nil else { throw .notCancellable(status: "finalizing") }
                found.batch.cancel(now: time(nil))
                found.stop(as: .cancelled)
            }
            // Also when it was cancelled before: nobody is told so until it is kept.
            try await store.update(found.batch)
            endIfDone(found)
        } else if known.status != .cancelled {
            throw .notCancellable(status: known.status.rawValue)
        }
        return try await batch(id, owner: owner)
    }

    // MARK: Opening

    /// Reads the input of as many batches as may be worked on, of the owners first who have the fewest.
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
        // One that was cancelled meanwhile goes straight to its end.
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
            // Also when that was while no server ran.
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

    // MARK: Running

    /// Fills the free places with requests, each batch in its turn.
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
            await keep(BatchLineResult(line: line, customID: customID, answer: answer), of: batch)
        } else if batch.ending == nil {
            let delay = limits.delay(
                afterAttempt: attempt, askedSeconds: answer?.retryAfterSeconds, jitter: .random(in: 0..<1))
            // What was only stopped has not failed.
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

    private func keep(_ result: BatchLineResult, of batch: OpenBatch) async {
        do throws(JobError) {
            try await store.finish([result], of: batch.batch.id)
        } catch {
            // The store is closed: it is run again after the next start.
            logger.debug("an answer came too late", metadata: ["batch": "\(batch.batch.id)"])
            return
        }
        batch.setDone(result.line)
        if result.isFailed { batch.batch.counts.failed += 1 } else { batch.batch.counts.completed += 1 }
        batch.batch.usage += result.usage
    }

    // MARK: Time

    private func tick() async {
        let now = time(nil)
        for batch in open where batch.ending == nil && batch.batch.expiresAt <= now && !batch.isFinalizing {
            batch.stop(as: .expired)
            endIfDone(batch)
        }
        let instant = ContinuousClock.now
        pauses = pauses.filter { $0.value > instant }
        if open.isEmpty { return }
        interactiveCount = await runner.interactiveCount()
        pump()
    }

    private func forgetOld() async {
        try? await store.forgetBatches(endedBefore: time(nil) - Int(limits.retention.components.seconds))
    }
}

extension Batch {
    fileprivate mutating func cancel(now: Int) {
        if status == .validating || status == .inProgress { enter(.cancelling, now: now) }
    }
}
