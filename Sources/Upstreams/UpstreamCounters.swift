public import Network

/// What the upstreams were asked on one event loop, and how it went. Loop-confined.
public final class UpstreamCounters {
    /// Requests that are over, by outcome: `completed`, `cancelled`, or what went wrong. Each attempt counts.
    public private(set) var requests: [String: UInt64] = [:]
    /// Attempts after the first.
    public private(set) var retries: UInt64 = 0
    /// From the start of an attempt to the first piece of its answer.
    public private(set) var timeToFirstToken = Histogram(.long)

    public init() {}

    func ended(_ outcome: String) { requests[outcome, default: 0] += 1 }
    func retried() { retries += 1 }
    func firstToken(after duration: Duration) { timeToFirstToken.record(duration) }
}

extension UpstreamFault {
    /// In a word, for counters and logs.
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

    /// Whether the operator should know: not what a client asked wrongly.
    var concernsOperator: Bool {
        switch self {
        case .status(let status, _, _): status >= 500 || (401...403).contains(status)
        case .transport(.loopStopped), .notSent: false
        default: true
        }
    }
}
