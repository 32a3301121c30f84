/// Runs the requests of batches by the server's own ways, as if a client had sent each.
public protocol BatchRunner: Sendable {
    /// Answers a request. Cancelling the task stops it.
    /// - Parameter keyID: the key that its usage is counted for.
    /// - Returns: nil when it was stopped before its end, and is to be run again if there is still a reason to.
    func run(_ request: BatchRequest, owner: String, keyID: String?) async -> BatchAnswer?
    /// Answers that run for somebody who waits for them, at this moment: batches make room for these.
    func interactiveCount() async -> Int
}

/// The answer to a request of a batch, as it would have come by HTTP.
public struct BatchAnswer: Sendable {
    public var status: Int
    public var requestID: String
    /// JSON in one line.
    public var body: [UInt8]
    /// What the upstream asked for.
    public var retryAfterSeconds: Double?

    public init(status: Int, requestID: String, body: [UInt8], retryAfterSeconds: Double? = nil) {
        self.status = status
        self.requestID = requestID
        self.body = body
        self.retryAfterSeconds = retryAfterSeconds
    }

    var isSuccess: Bool { (200..<300).contains(status) }
    /// Whether it may go better later.
    var isPassing: Bool { status == 408 || status == 429 || status >= 500 }
    /// Whether the upstream is there no more, or wants fewer requests: no fault of this one, however often it happens.
    var isAboutTheUpstream: Bool { status == 429 || status == 503 || status == 504 }
}
