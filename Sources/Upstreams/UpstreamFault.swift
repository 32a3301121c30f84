import Bytes
package import JSON
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
    /// What came is not what the dialect allows; says what, never quotes it.
    case malformed(String)
    /// The stream ended before the answer did.
    case truncated
    /// The body ended and was no stream at all.
    case notAStream(contentType: String)
    /// The request could not be put into the upstream's dialect.
    case notSent(GenerationError)
}

/// The error object of OpenAI's and Anthropic's protocols, as far as it could be read.
package struct UpstreamErrorObject: Sendable, Hashable {
    package var type: String?
    package var code: String?
    package var message: String?

    package init(type: String? = nil, code: String? = nil, message: String? = nil) {
        self.type = type
        self.code = code
        self.message = message
    }

    /// - Parameter value: what stands under `error`: an object, or just words.
    package init(_ value: JSONValue) {
        type = value["type"]?.string
        // A number in llama.cpp and vLLM.
        code = value["code"]?.string ?? value["code"]?.number?.text
        message = value["message"]?.string ?? value.string
    }

    /// - Parameter body: the body of a failed request, whatever it is.
    package init(body: [UInt8]) {
        guard let value = try? JSONValue.parse(body) else {
            self.init()
            return
        }
        // {"error": …}, but also {"message": …} and FastAPI's {"detail": …}.
        self.init(value["error"] ?? value)
        if message == nil { message = value["detail"]?.string ?? value["message"]?.string }
    }
}

extension UpstreamFault {
    /// Whether the same request may do better a little later, if nothing of the answer was delivered yet.
    package var isRetryable: Bool {
        switch self {
        case .transport(let error):
            switch error {
            case .couldNotResolve, .couldNotConnect, .connectTimedOut, .cut: true
            // After a silence the upstream is likely still at work: another request would make it worse.
            case .silence, .timedOut, .destinationNotAllowed, .tls, .notHTTP, .invalidRequest, .loopStopped: false
            }
        case .status(let status, let error, _): Self.isRetryable(status) && error.code != "insufficient_quota"
        case .inBand(let error): Self.isRetryable(error.impliedStatus)
        case .truncated: true
        case .malformed, .notAStream, .notSent: false
        }
    }

    /// Whether another upstream may do better with the same request: always, but for what is wrong with the request itself.
    package var mayFallOver: Bool {
        switch self {
        case .transport(let error): error != .loopStopped
        case .status(let status, _, _): Self.concernsUpstream(status)
        case .inBand(let error): Self.concernsUpstream(error.impliedStatus)
        case .malformed, .truncated, .notAStream, .notSent: true
        }
    }

    private static func concernsUpstream(_ status: Int) -> Bool {
        switch status {
        case 401, 403, 404, 408, 409, 429: true
        default: !(400..<500).contains(status)
        }
    }

    private static func isRetryable(_ status: Int) -> Bool {
        status == 408 || status == 409 || status == 429 || status >= 500
    }

    /// What the upstream asked for, if it did.
    package var retryAfterSeconds: Double? {
        if case .status(_, _, let seconds) = self { seconds } else { nil }
    }
}

extension UpstreamErrorObject {
    /// The status that an error without one stands for.
    package var impliedStatus: Int {
        if let code, let status = Int(code), (400...599).contains(status) { return status }
        switch type ?? code {
        case "invalid_request_error"?, "BadRequestError"?: return 400
        case "authentication_error"?: return 401
        case "permission_error"?: return 403
        case "not_found_error"?: return 404
        case "request_too_large"?: return 413
        case "rate_limit_error"?, "rate_limit_exceeded"?: return 429
        case "overloaded_error"?: return 529
        default: return code == "rate_limit_exceeded" ? 429 : 500
        }
    }
}
