package import Network
package import Sessions

/// What went wrong with an upstream, before it is put into words for clients.
package enum UpstreamFault: Error, Sendable, Hashable {
    /// No answer, or not to its end.
    case transport(HTTPTransferError)
    /// A status that is no success.
    case status(Int, UpstreamErrorObject, retryAfterSeconds: Double?)
    /// An error told within a stream or in a body with status 200.
    case inBand(UpstreamErrorObject)
    /// The answer violates the dialect; describes it without quoting.
    case malformed(String)
    /// The stream ended before the answer did.
    case truncated
    /// The body ended and was no answer at all; with what could be read of it.
    case notAStream(contentType: String, words: String? = nil)
    /// The request could not be put into the upstream's dialect.
    case notSent(GenerationError)
}

extension UpstreamFault {
    /// Whether the same upstream may do better with the same request a little later, if nothing of the answer was delivered yet.
    package var isRetryable: Bool {
        switch self {
        case .transport(let error):
            switch error {
            case .couldNotResolve, .couldNotConnect, .connectTimedOut, .cut: true
            // After a silence the upstream is likely still at work: another request would make it worse.
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
        // It will be able to do no more in a moment.
        case 501, 505: false
        default: status >= 500
        }
    }

    /// Whether another upstream may do better with the same request: always, but for what is wrong with the request itself.
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

    /// Whether a request that ended with the assistant's words may have been refused for that.
    var mayRefusePrefill: Bool {
        guard let (status, error) = told, status == 400 || status == 422 else { return false }
        return error.matter(of: status) == .request
    }

    /// What the upstream said instead of an answer, with its status; nil where it said nothing.
    var told: (status: Int, error: UpstreamErrorObject)? {
        switch self {
        case .status(let status, let error, _): (status, error)
        case .inBand(let error): (error.impliedStatus, error)
        case .transport, .malformed, .truncated, .notAStream, .notSent: nil
        }
    }

    /// What the upstream asked for, if it did.
    package var retryAfterSeconds: Double? {
        switch self {
        case .status(_, let error, let seconds): seconds ?? error.retryAfterSeconds
        case .inBand(let error): error.retryAfterSeconds
        case .transport, .malformed, .truncated, .notAStream, .notSent: nil
        }
    }
}
