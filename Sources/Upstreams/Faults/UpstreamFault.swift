package import Network
package import Sessions

/// A failed request to an upstream, before it is translated for clients.
package enum UpstreamFault: Error, Sendable, Hashable {
    /// The connection failed, before or during the answer.
    case transport(HTTPTransferError)
    /// The status is not a success.
    case status(Int, UpstreamErrorObject, retryAfterSeconds: Double?)
    /// An error within a stream, or in a body with status 200.
    case inBand(UpstreamErrorObject)
    /// The answer violates the dialect; the description quotes none of it.
    case malformed(String)
    /// The stream ended before the answer was complete.
    case truncated
    /// The body was not an answer; with any message found in it.
    case notAStream(contentType: String, words: String? = nil)
    /// The request cannot be expressed in the upstream's dialect.
    case notSent(GenerationError)
}

extension UpstreamFault {
    /// Whether the same request may succeed at the same upstream a little later, provided that no part of the answer was delivered.
    package var isRetryable: Bool {
        switch self {
        case .transport(let error):
            switch error {
            case .couldNotResolve, .couldNotConnect, .connectTimedOut, .cut: true
            // After a silence the upstream is probably still working; another request would add to its load.
            case .silence, .timedOut, .destinationNotAllowed, .tls, .notHTTP, .invalidRequest, .noDescriptors, .loopStopped: false
            }
        case .status(let status, let error, _): Self.isRetryable(status, error)
        case .inBand(let error): Self.isRetryable(error.impliedStatus, error)
        case .truncated: true
        case .malformed, .notAStream, .notSent: false
        }
    }

    private static func isRetryable(_ status: Int, _ error: UpstreamErrorObject) -> Bool {
        switch status {
        case 408, 409, 425, 499: true
        case 429: error.matter(of: status) != .account
        // A retry will not change what the server supports.
        case 501, 505: false
        default: status >= 500
        }
    }

    /// Whether the same request may succeed at another upstream: unless the request itself is at fault.
    package var mayFallOver: Bool {
        switch self {
        case .transport(let error): error != .loopStopped && error != .noDescriptors
        case .status(let status, let error, _): Self.mayFallOver(error.matter(of: status))
        case .inBand(let error): Self.mayFallOver(error.matter(of: error.impliedStatus))
        case .malformed, .truncated, .notAStream, .notSent: true
        }
    }

    private static func mayFallOver(_ matter: UpstreamErrorMatter) -> Bool {
        switch matter {
        case .key, .account, .region, .model, .pace, .upstream: true
        case .moderation, .request: false
        }
    }

    /// Whether a trailing assistant message may have been the reason for the rejection.
    var mayRefusePrefill: Bool {
        guard let (status, error) = told, status == 400 || status == 422 else { return false }
        return error.matter(of: status) == .request
    }

    /// The upstream's error and its status; nil if it sent none.
    var told: (status: Int, error: UpstreamErrorObject)? {
        switch self {
        case .status(let status, let error, _): (status, error)
        case .inBand(let error): (error.impliedStatus, error)
        case .transport, .malformed, .truncated, .notAStream, .notSent: nil
        }
    }

    /// Delay before a retry in seconds, if the upstream asked for one.
    package var retryAfterSeconds: Double? {
        switch self {
        case .status(_, let error, let seconds): seconds ?? error.retryAfterSeconds
        case .inBand(let error): error.retryAfterSeconds
        case .transport, .malformed, .truncated, .notAStream, .notSent: nil
        }
    }
}
