import Bytes
import Network

extension UpstreamFault {
    /// Longest pause that an upstream can request for itself, in seconds.
    static let maxRestSeconds = 120.0
    /// Pause after a 429 without `Retry-After`, in seconds.
    static let defaultRestSeconds = 1.0

    /// What the fault says about the upstream's health. A client's mistake says nothing: clients must not be able to close an
    /// upstream for others. Neither does a 429: that upstream is healthy, only busy.
    package var verdict: CircuitBreaker.Verdict {
        switch self {
        case .transport(.loopStopped), .transport(.noDescriptors), .notSent: .nothing
        case .transport, .malformed, .truncated, .notAStream: .failure
        case .status(let status, _, _): Self.verdict(status)
        case .inBand(let error): Self.verdict(error.impliedStatus)
        }
    }

    private static func verdict(_ status: Int) -> CircuitBreaker.Verdict {
        switch status {
        case 401, 408: .failure
        case 400..<500: .nothing
        default: .failure
        }
    }

    /// How long the upstream asked to be left alone; nil if it did not.
    package var rest: Duration? {
        let status: Int
        switch self {
        case .status(let code, _, _): status = code
        case .inBand(let error): status = error.impliedStatus
        case .transport, .malformed, .truncated, .notAStream, .notSent: return nil
        }
        let asked = retryAfterSeconds ?? (status == 429 ? Self.defaultRestSeconds : nil)
        guard status == 429 || status == 503 || status == 529, let asked else { return nil }
        return Duration(saturatingSeconds: min(asked, Self.maxRestSeconds))
    }
}
