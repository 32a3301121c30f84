/// Keeps batches and what their requests were answered. All calls return when what they changed is durable.
public protocol BatchStore: Sendable {
    func insert(_ batch: Batch) async throws(JobError)
    func batch(_ id: String, owner: String) async throws(JobError) -> Batch?
    /// Newest first.
    /// - Returns: nil when `after` is no batch of the owner.
    func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> [Batch]?
    /// Of all owners, oldest first.
    func unfinishedBatches() async throws(JobError) -> [Batch]
    /// Keeps all of a batch but its counts and usage, unless a later revision is kept already.
    func update(_ batch: Batch) async throws(JobError)
    /// Keeps the answers to requests, and counts them. An answer that is there already stays.
    func finish(_ lines: [BatchLineResult], of batchID: String) async throws(JobError)
    /// The requests that were answered, by their place in the input file.
    func finishedLines(of batchID: String) async throws(JobError) -> [Int]
    /// Some of the answers, in the order of the input file, after that place.
    func lines(of batchID: String, failed: Bool, after line: Int, limit: Int) async throws(JobError) -> [BatchLineResult]
    /// Ends a batch: its files become files, its answers are dropped, and its end is news that nobody has heard yet, all at once.
    func end(_ batch: Batch, files: [StoredFile]) async throws(JobError)
    /// Ended batches whose end is still news.
    func unheardEnds() async throws(JobError) -> [Batch]
    /// The news was told.
    func setHeard(_ id: String) async throws(JobError)
    /// Forgets batches that ended long ago.
    /// - Parameter time: seconds since 1970.
    func forgetBatches(endedBefore time: Int) async throws(JobError)
}

/// What a request of a batch was answered.
public struct BatchLineResult: Sendable, Hashable {
    /// Place in the input file, from 0.
    public var line: Int
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
