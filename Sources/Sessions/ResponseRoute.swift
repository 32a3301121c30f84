import JSON

/// The upstreams that were tried for a response, by their names in the configuration.
public struct ResponseRoute: Sendable, Hashable {
    /// A failed attempt, before or during the response.
    public struct Fault: Sendable, Hashable {
        /// Name of the upstream.
        public let upstream: String
        /// What failed: `unreachable`, `timeout`, `server_error`, …; `Protocols/upstreams.md` lists them.
        public let fault: String

        /// A failed attempt at an upstream.
        public init(upstream: String, fault: String) {
            self.upstream = upstream
            self.fault = fault
        }
    }

    /// The upstream that responds, or was tried last; nil before the first attempt.
    public internal(set) var upstream: String?
    /// Number of attempts.
    public internal(set) var attempts = 0
    /// The failed attempts, in order.
    public internal(set) var faults: [Fault] = []
    /// The upstream's finish reason, if its dialect does not define it.
    public internal(set) var finishWord: String?
    /// Number of tool calls without a name, which are left out.
    public internal(set) var unnamedToolCallCount = 0

    /// A route without attempts, unless given.
    public init(
        upstream: String? = nil, attempts: Int = 0, faults: [Fault] = [], finishWord: String? = nil, unnamedToolCallCount: Int = 0
    ) {
        self.upstream = upstream
        self.attempts = attempts
        self.faults = faults
        self.finishWord = finishWord
        self.unnamedToolCallCount = unnamedToolCallCount
    }

    /// Writes its members of a response's `interject` object.
    func write(to writer: inout JSONObjectWriter) {
        if let finishWord { writer.field("finish_reason", finishWord) }
        if unnamedToolCallCount > 0 { writer.field("unnamed_tool_calls", unnamedToolCallCount) }
        guard let upstream else { return }
        writer.field("upstream", upstream)
        writer.field("attempts", attempts)
        if faults.isEmpty { return }
        writer.array("faults") { list in
            for fault in faults {
                list.object {
                    $0.field("upstream", fault.upstream)
                    $0.field("fault", fault.fault)
                }
            }
        }
    }
}
