/// Runs batch requests through the server's own request handling, like those of clients.
public protocol BatchRunner: Sendable {
    /// Runs a request. Cancelling the task stops it.
    /// - Parameter keyID: the key for usage accounting.
    /// - Returns: nil if the request was stopped before its end, and may have to run again.
    func run(_ request: BatchRequest, owner: String, keyID: String?) async -> BatchAnswer?
    /// Number of interactive answers in progress, to which batches yield.
    func interactiveCount() async -> Int
}

/// The answer to a batch request, as it would be over HTTP.
public struct BatchAnswer: Sendable {
    /// HTTP status code.
    public var status: Int
    /// Identifier of the HTTP request, for the output file.
    public var requestID: String
    /// JSON on one line.
    public var body: [UInt8]
    /// Delay that the upstream asked for, in seconds.
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
    /// Whether the upstream is unreachable or limits the rate: never the request's fault, however often it happens.
    var isAboutTheUpstream: Bool { status == 429 || status == 503 || status == 504 }
}
