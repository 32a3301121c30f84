/// A batch in progress. Confined to the engine.
final class OpenBatch {
    struct Retry {
        var line: Int
        /// Number of attempts.
        var attempt: Int
        var due: ContinuousClock.Instant
    }

    private static let maxRetries = 64

    var batch: Batch
    let input: BatchInput
    private var isDone: [Bool]
    private var next = 0
    private var retries: [Retry] = []
    /// Requests in progress, by index in the input file.
    var running: [Int: Task<Void, Never>] = [:]
    /// The final status once nothing is in progress; nil while requests are left.
    var ending: Batch.Status?
    var isFinalizing = false
    private(set) var undoneCount: Int

    init(_ batch: Batch, input: BatchInput, finished: [Int]) {
        self.batch = batch
        self.input = input
        isDone = Array(repeating: false, count: input.lines.count)
        undoneCount = input.lines.count
        for line in finished where isDone.indices.contains(line) { setDone(line) }
    }

    func setDone(_ line: Int) {
        if isDone[line] { return }
        isDone[line] = true
        undoneCount -= 1
    }

    var undone: [Int] { isDone.indices.filter { !isDone[$0] } }

    /// The next request to run; nil if none is due.
    func takeLine(now: ContinuousClock.Instant) -> (line: Int, attempt: Int)? {
        if let index = retries.firstIndex(where: { $0.due <= now }) {
            let retry = retries.remove(at: index)
            return (retry.line, retry.attempt + 1)
        }
        // Many pending retries indicate an unhealthy upstream, so further requests wait.
        if retries.count >= Self.maxRetries { return nil }
        while next < isDone.count {
            next += 1
            if !isDone[next - 1] { return (next - 1, 1) }
        }
        return nil
    }

    func retry(_ line: Int, attempt: Int, due: ContinuousClock.Instant) {
        retries.append(Retry(line: line, attempt: attempt, due: due))
    }

    /// Ends the batch once nothing is in progress, whatever is left to do.
    func stop(as status: Batch.Status) {
        if ending != nil { return }
        ending = status
        retries = []
        for task in running.values { task.cancel() }
    }
}
