public import Network

/// Counts requests to upstreams on one event loop. Loop-confined.
public final class UpstreamCounters {
    /// Completed requests by outcome: `completed`, `cancelled`, or the kind of failure. Every attempt counts.
    public private(set) var requests: [String: UInt64] = [:]
    /// Attempts after a request's first.
    public private(set) var retries: UInt64 = 0
    /// Time from the start of an attempt to the first piece of its answer.
    public private(set) var timeToFirstToken = Histogram(.long)

    public init() {}

    func ended(_ outcome: String) { requests[outcome, default: 0] += 1 }
    func retried() { retries += 1 }
    func firstToken(after duration: Duration) { timeToFirstToken.record(duration) }
}

extension UpstreamFault {
    /// The fault in one word, for counters and logs.
    package var label: String {
        switch self {
        case .transport(let error):
            switch error {
            case .couldNotResolve, .couldNotConnect, .connectTimedOut: "unreachable"
            case .silence, .timedOut: "timeout"
            case .cut: "cut"
            case .tls: "tls"
            case .notHTTP: "malformed"
            case .noDescriptors: "no_descriptors"
            case .destinationNotAllowed, .invalidRequest, .loopStopped: "not_sent"
            }
        case .status(429, _, _): "rate_limited"
        case .status(let status, _, _): status < 500 ? "refused" : "server_error"
        case .inBand: "error_in_stream"
        case .malformed, .notAStream: "malformed"
        case .truncated: "cut"
        case .notSent: "not_sent"
        }
    }

    /// Whether the operator should know; false for a client's mistake.
    var concernsOperator: Bool {
        switch self {
        case .status(let status, _, _): status >= 500 || (401...403).contains(status)
        case .transport(.loopStopped), .notSent: false
        default: true
        }
    }
}
