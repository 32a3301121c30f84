/// Stores batches and their answers. Every call returns once its changes are committed.
public protocol BatchStore: Sendable {
    func insert(_ batch: Batch) async throws(JobError)
    func batch(_ id: String, owner: String) async throws(JobError) -> Batch?
    /// A page of batches, newest first.
    /// - Returns: nil if `after` is not a batch of the owner.
    func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> [Batch]?
    /// Unfinished batches of all owners, oldest first.
    func unfinishedBatches() async throws(JobError) -> [Batch]
    /// Stores a batch except for its counts and usage, unless a later revision is stored already.
    func update(_ batch: Batch) async throws(JobError)
    /// Stores answers, and counts them. Existing answers are not replaced.
    func finish(_ lines: [BatchLineResult], of batchID: String) async throws(JobError)
    /// Indexes of the answered requests in the input file.
    func finishedLines(of batchID: String) async throws(JobError) -> [Int]
    /// A page of answers in the order of the input file, after the request with index `line`.
    func lines(of batchID: String, failed: Bool, after line: Int, limit: Int) async throws(JobError) -> [BatchLineResult]
    /// Ends a batch in one transaction: adds its files, drops its answers, and marks its end as unreported.
    func end(_ batch: Batch, files: [StoredFile]) async throws(JobError)
    /// Ended batches whose end has not been reported.
    func unheardEnds() async throws(JobError) -> [Batch]
    /// Marks a batch's end as reported.
    func setHeard(_ id: String) async throws(JobError)
    /// Deletes batches that ended before a time.
    /// - Parameter time: seconds since 1970.
    func forgetBatches(endedBefore time: Int) async throws(JobError)
}

/// The answer to a batch request.
public struct BatchLineResult: Sendable, Hashable {
    /// Index in the input file, from 0.
    public var line: Int
    /// Whether the line belongs in the error file.
    public var isFailed: Bool
    /// A line of the output or error file, without the line feed.
    public var output: [UInt8]
    public var usage: BatchUsage

    public init(line: Int, isFailed: Bool, output: [UInt8], usage: BatchUsage = BatchUsage()) {
        self.line = line
        self.isFailed = isFailed
        self.output = output
        self.usage = usage
    }
}
