import JSON

/// Which upstreams were asked for a response, by their names in the configuration.
public struct ResponseRoute: Sendable, Hashable {
    /// An attempt that failed before the answer began, or that broke it off.
    public struct Fault: Sendable, Hashable {
        public let upstream: String
        /// In a word: `unreachable`, `timeout`, `server_error`, …; `Protocols/upstreams.md` lists them.
        public let fault: String

        public init(upstream: String, fault: String) {
            self.upstream = upstream
            self.fault = fault
        }
    }

    /// Who answers, or was asked last; nil before anybody was.
    public internal(set) var upstream: String?
    public internal(set) var attempts = 0
    public internal(set) var faults: [Fault] = []
    /// The upstream's own word for the end of the answer, where it is none of its dialect's.
    public internal(set) var finishWord: String?
    /// Calls of tools that the upstream never gave a name, and that are left out.
    public internal(set) var unnamedToolCallCount = 0

    public init(
        upstream: String? = nil, attempts: Int = 0, faults: [Fault] = [], finishWord: String? = nil, unnamedToolCallCount: Int = 0
    ) {
        self.upstream = upstream
        self.attempts = attempts
        self.faults = faults
        self.finishWord = finishWord
        self.unnamedToolCallCount = unnamedToolCallCount
    }

    /// Writes the members that the `interject` object of a response has of it.
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
