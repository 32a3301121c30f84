import Bytes
import Network

extension UpstreamFault {
    /// Longest time for which an upstream is left alone at its own word, in seconds.
    static let maxRestSeconds = 120.0
    /// What a 429 without `Retry-After` stands for, in seconds.
    static let defaultRestSeconds = 1.0

    /// What the fault says of the upstream's health. What a client asked wrongly says nothing: clients must not be able to close
    /// an upstream for others. Nor does a 429: that one is well, only busy.
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

    /// For how long the upstream asked to be left alone.
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
