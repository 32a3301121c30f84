/// Runs batch requests through the server's own code, like requests of clients.
public protocol BatchRunner: Sendable {
    /// Runs a request. Cancel the task to stop it.
    /// - Parameter keyID: the key for its usage.
    /// - Returns: nil if it was stopped before its end, and may have to run again.
    func run(_ request: BatchRequest, owner: String, keyID: String?) async -> BatchAnswer?
    /// Number of running interactive answers, for which batches make room.
    func interactiveCount() async -> Int
}

/// The answer to a batch request, as over HTTP.
public struct BatchAnswer: Sendable {
    public var status: Int
    public var requestID: String
    /// JSON on one line.
    public var body: [UInt8]
    /// The delay that the upstream asked for.
    public var retryAfterSeconds: Double?

    public init(status: Int, requestID: String, body: [UInt8], retryAfterSeconds: Double? = nil) {
        self.status = status
        self.requestID = requestID
        self.body = body
        self.retryAfterSeconds = retryAfterSeconds
    }

    var isSuccess: Bool { (200..<300).contains(status) }
    /// Whether a retry may succeed.
    var isPassing: Bool { status == 408 || status == 429 || status >= 500 }
    /// Whether the upstream is unreachable or rate-limits: not the request's fault, however often it happens.
    var isAboutTheUpstream: Bool { status == 429 || status == 503 || status == 504 }
}
