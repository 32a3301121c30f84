import Bytes
import Glibc
import JSON
public import Logging
import Sessions

/// Runs batches: validates their input, runs their requests a few at a time, and writes the answers to files.
///
/// An answer is committed before its slot is freed, so that after a crash only requests in progress are repeated. A batch ends in
/// one transaction with its files.
public actor BatchEngine {
    let store: any BatchStore
    let library: FileLibrary
    let runner: any BatchRunner
    let sink: (any JobEventSink)?
    let limits: BatchLimits
    let logger: Logger
    /// Unfinished batches that are not open yet, oldest first.
    var waiting: [Batch] = []
    /// Batches whose input is being read.
    var opening: [String: Batch] = [:]
    var open: [OpenBatch] = []
    /// Index in `open` of the batch to take the next request from.
    var turn = 0
    /// The end of the pause that a model's upstream asked for, by model.
    var pauses: [String: ContinuousClock.Instant] = [:]
    var interactiveCount = 0
    private(set) var isStopping = false
    private var ticker: Task<Void, Never>?

    /// Interval between checks for due work.
    private static let tickInterval = Duration.milliseconds(200)
    private static let forgetInterval = Duration.seconds(3600)

    /// - Parameter sink: notified of ended batches.
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

    /// Loads unfinished batches, to be continued by ``run()``.
    /// - Throws: ``JobError/storageUnavailable(reason:)``.
    public func load() async throws(JobError) {
        waiting = try await store.unfinishedBatches()
        library.dropInputs(except: Set(waiting.map(\.id)))
        for batch in try await store.unheardEnds() { await tell(batch) }
    }

    /// Continues unfinished batches. Called once the server listens: requests cost money, and a start that fails should send none.
    public func run() {
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

    /// Starts no further requests. Requests in progress may continue until the server ends them, and are repeated after the next
    /// start.
    public func stop() {
        isStopping = true
        ticker?.cancel()
    }

    /// Whether any request is in progress.
    public var isRunning: Bool { open.contains { !$0.running.isEmpty } }

    // MARK: API

    /// Creates a batch.
    /// - Parameter keyID: the key for usage accounting.
    /// - Throws: ``JobError`` for an unusable input file or too many batches.
    public func create(
        owner: String, keyID: String? = nil, inputFileID: String, endpoint: BatchEndpoint, window: CompletionWindow,
        metadata: String? = nil, outputExpires: ExpiresAfter? = nil
    ) async throws(JobError) -> Batch {
        let file: StoredFile
        do throws(JobError) {
            file = try await library.file(inputFileID, owner: owner)
        } catch .fileNotFound {
            throw .invalid("'input_file_id' is not one of your files.", param: "input_file_id", code: "file_not_found")
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
        try library.retainInput(inputFileID, for: batch.id)
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

    /// - Throws: ``JobError/batchNotFound(id:)``, also for a batch of another owner.
    public func batch(_ id: String, owner: String) async throws(JobError) -> Batch {
        guard let batch = try await store.batch(id, owner: owner) else { throw .batchNotFound(id: id) }
        return batch
    }

    /// A page, newest first, and whether there are more.
    /// - Throws: ``JobError/invalid(_:param:code:)`` if `after` is not a batch of the owner.
    public func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> (page: [Batch], hasMore: Bool) {
        guard let batches = try await store.batches(owner: owner, after: after, limit: limit + 1) else {
            throw .invalid("'after' is not one of your batches.", param: "after", code: "invalid_value")
        }
        return (Array(batches.prefix(limit)), batches.count > limit)
    }

    /// Cancels a batch: stops its requests and retains its answers. Idempotent.
    /// - Throws: ``JobError/notCancellable(status:)`` for an ended batch, ``JobError/batchNotFound(id:)``.
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
            // Also when it was cancelled already: no client may see the change before it is committed.
            try await store.update(found.batch)
            endIfDone(found)
        } else if known.status != .cancelled {
            throw .notCancellable(status: known.status.rawValue)
        }
        return try await batch(id, owner: owner)
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
        try? await store.forgetBatches(endedBefore: time(nil).saturatingSubtracting(Int(limits.retention.components.seconds)))
    }
}

extension Batch {
    fileprivate mutating func cancel(now: Int) {
        if status == .validating || status == .inProgress { enter(.cancelling, now: now) }
    }
}
