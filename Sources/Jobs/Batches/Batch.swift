import Bytes
public import JSON

/// A batch of requests (OpenAI's *batch object*).
public struct Batch: Sendable, Codable, Hashable {
    /// The states of OpenAI's batch object.
    public enum Status: String, Sendable, Codable, CaseIterable {
        case validating, failed, finalizing, completed, expired, cancelling, cancelled
        case inProgress = "in_progress"

        /// Whether this status is final.
        public var isTerminal: Bool {
            switch self {
            case .failed, .completed, .expired, .cancelled: true
            case .validating, .inProgress, .finalizing, .cancelling: false
            }
        }
    }

    /// An error in the input file.
    public struct Fault: Error, Sendable, Codable, Hashable {
        /// Stable error code.
        public var code: String
        /// Message for people.
        public var message: String
        /// Line number from 1; nil if the error concerns the whole file.
        public var line: Int?
        /// The request's member at fault.
        public var param: String?
    }

    /// Requests by outcome.
    public struct Counts: Sendable, Codable, Hashable {
        public var total = 0
        public var completed = 0
        public var failed = 0

        public init(total: Int = 0, completed: Int = 0, failed: Int = 0) {
            self.total = total
            self.completed = completed
            self.failed = failed
        }
    }

    /// `batch_…`.
    public var id: String
    /// Owner of the batch and its files.
    public var owner: String
    /// The key that created the batch, for usage accounting; nil in older batches.
    public var keyID: String?
    /// The endpoint of all its requests.
    public var endpoint: BatchEndpoint
    public var inputFileID: String
    /// As written by the client, for example `24h`.
    public var completionWindow: String
    /// The client's metadata, as a JSON object.
    public var metadata: String?
    /// Expiry of the output files; nil: until deleted.
    public var outputExpires: ExpiresAfter?
    public var status = Status.validating
    /// The final status while the output files are being created.
    var ending: Status?
    /// The model of its requests, once validated.
    public var model: String?
    /// Errors of the input file.
    public var faults: [Fault] = []
    /// The answers, once ended; nil without any.
    public var outputFileID: String?
    /// The failed requests, once ended; nil without any.
    public var errorFileID: String?
    public var counts = Counts()
    public var usage = BatchUsage()
    /// All times in seconds since 1970.
    public var createdAt: Int
    public var expiresAt: Int
    public var inProgressAt: Int?
    public var finalizingAt: Int?
    public var completedAt: Int?
    public var failedAt: Int?
    public var expiredAt: Int?
    public var cancellingAt: Int?
    public var cancelledAt: Int?
    /// Incremented with each change, so that concurrent writes cannot reorder changes.
    public var revision = 0

    /// Creates a new batch.
    /// - Parameters:
    ///   - metadata: a JSON object.
    ///   - now: seconds since 1970.
    public init(
        id: String, owner: String, keyID: String? = nil, endpoint: BatchEndpoint, inputFileID: String, window: CompletionWindow,
        metadata: String?, outputExpires: ExpiresAfter?, now: Int
    ) {
        self.id = id
        self.owner = owner
        self.keyID = keyID
        self.endpoint = endpoint
        self.inputFileID = inputFileID
        completionWindow = window.text
        self.metadata = metadata
        self.outputExpires = outputExpires
        createdAt = now
        expiresAt = now.saturatingAdding(window.seconds)
    }

    /// Sets the status and its time.
    mutating func enter(_ status: Status, now: Int) {
        self.status = status
        revision += 1
        switch status {
        case .validating: break
        case .inProgress: inProgressAt = now
        case .finalizing: finalizingAt = now
        case .completed: completedAt = now
        case .failed: failedAt = now
        case .expired: expiredAt = now
        case .cancelling: cancellingAt = now
        case .cancelled: cancelledAt = now
        }
    }

    /// Recommended polling delay in seconds: a quarter of the estimated remaining time, 1 to 60.
    public func pollSeconds(now: Int) -> Int {
        guard status == .inProgress, let inProgressAt else { return status.isTerminal ? 60 : 1 }
        let done = counts.completed + counts.failed
        guard done > 0 else { return 5 }
        let left = (Double(now) - Double(inProgressAt)) / Double(done) * Double(counts.total - done)
        return min(60, max(1, Int(saturating: left / 4)))
    }

    /// Writes OpenAI's batch object.
    public func write(to object: inout JSONObjectWriter) {
        object.field("id", id)
        object.field("object", "batch")
        object.field("endpoint", endpoint.rawValue)
        object.field("model", model)
        if faults.isEmpty {
            object.null("errors")
        } else {
            object.object("errors") { errors in
                errors.field("object", "list")
                errors.array("data") { list in for fault in faults { list.object { fault.write(to: &$0) } } }
            }
        }
        object.field("input_file_id", inputFileID)
        object.field("completion_window", completionWindow)
        object.field("status", status.rawValue)
        object.field("output_file_id", outputFileID)
        object.field("error_file_id", errorFileID)
        object.field("created_at", createdAt)
        Self.write("in_progress_at", inProgressAt, to: &object)
        object.field("expires_at", expiresAt)
        Self.write("finalizing_at", finalizingAt, to: &object)
        Self.write("completed_at", completedAt, to: &object)
        Self.write("failed_at", failedAt, to: &object)
        Self.write("expired_at", expiredAt, to: &object)
        Self.write("cancelling_at", cancellingAt, to: &object)
        Self.write("cancelled_at", cancelledAt, to: &object)
        object.object("request_counts") {
            $0.field("total", counts.total)
            $0.field("completed", counts.completed)
            $0.field("failed", counts.failed)
        }
        object.object("usage") { usage.write(to: &$0) }
        object.field("metadata", metadata.flatMap { try? JSONValue.parse($0, limits: .own) } ?? .null)
    }

    private static func write(_ name: StaticString, _ time: Int?, to object: inout JSONObjectWriter) {
        if let time { object.field(name, time) } else { object.null(name) }
    }
}

extension Batch.Fault {
    func write(to object: inout JSONObjectWriter) {
        object.field("code", code)
        if let line { object.field("line", line) } else { object.null("line") }
        object.field("message", message)
        object.field("param", param)
    }
}
