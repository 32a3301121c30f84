import Bytes
import Network
package import Sessions

extension UpstreamFault {
    /// The fault in a form for clients. `Protocols/upstreams.md`, Faults.
    /// - Parameters:
    ///   - upstream: host and port, for the message.
    ///   - key: must not show in the message, should the upstream quote it.
    package func generationError(upstream: String, model: String, key: String?) -> GenerationError {
        var error = mapped(upstream: upstream, model: model)
        if let key, !key.isEmpty { error.message = error.message.replacing(key, with: "[key]") }
        return error
    }

    private func mapped(upstream: String, model: String) -> GenerationError {
        switch self {
        case .transport(let error): Self.transport(error, upstream)
        case .status(let status, let error, let retryAfter):
            Self.status(status, error, upstream: upstream, model: model, retryAfter: retryAfter)
        case .inBand(let error): Self.status(error.impliedStatus, error, upstream: upstream, model: model, retryAfter: nil)
        case .notSent(let error): error
        case .malformed(let what):
            .server("upstream_malformed", 502, "The upstream \(upstream) sent what is not in its protocol: \(what).")
        case .truncated:
            .server("upstream_truncated", 502, "The upstream \(upstream) broke off before the answer was complete.")
        case .notAStream(let contentType):
            .server(
                "upstream_malformed", 502,
                "The upstream \(upstream) did not answer with an event stream but with \(contentType). Is its URL right?")
        }
    }

    private static func transport(_ error: HTTPTransferError, _ upstream: String) -> GenerationError {
        let message = "The upstream \(upstream) failed: \(error)."
        return switch error {
        case .couldNotResolve, .couldNotConnect, .destinationNotAllowed, .tls, .invalidRequest:
            .server("upstream_unreachable", 502, message)
        case .connectTimedOut, .silence, .timedOut: .server("upstream_timeout", 504, message)
        case .cut: .server("upstream_truncated", 502, message)
        case .notHTTP: .server("upstream_malformed", 502, message)
        case .loopStopped: .server("server_stopping", 503, message)
        }
    }

    private static func status(
        _ status: Int, _ error: UpstreamErrorObject, upstream: String, model: String, retryAfter: Double?
    ) -> GenerationError {
        let words = (error.message?.prefix(UpstreamLimits.maxMessageCharacters)).map(String.init)
        switch status {
        case 401, 403:
            // Its words often quote a part of the key.
            return GenerationError(
                code: "upstream_authentication_failed",
                message: "The upstream \(upstream) refused this server's key (status \(status)); your own key is not concerned.",
                status: status, type: "authentication_error")
        case 404:
            return GenerationError(
                code: "model_not_found",
                message: words ?? "The upstream \(upstream) does not know the model \(model), or has no such path.",
                status: 404, type: "invalid_request_error")
        case 400, 413, 415, 422:
            let code = error.code.flatMap { Int($0) == nil ? $0 : nil } ?? "invalid_request"
            return GenerationError(
                code: code, message: words ?? "The upstream \(upstream) refused the request (status \(status)).",
                status: 400, type: "invalid_request_error")
        case 429:
            return GenerationError(
                code: "rate_limit_exceeded", message: words ?? "The upstream \(upstream) asks to slow down.",
                status: 429, type: "rate_limit_error", retryAfterSeconds: retryAfter)
        case 529:
            return .server("upstream_overloaded", 503, words ?? "The upstream \(upstream) is overloaded.", retryAfter)
        case 300..<400:
            return .server(
                "upstream_error", 502, "The upstream \(upstream) redirects (status \(status)): set its URL to where that leads.")
        default:
            let said = words.map { ": \($0)" } ?? "."
            return .server("upstream_error", 502, "The upstream \(upstream) failed (status \(status))\(said)", retryAfter)
        }
    }
}

extension GenerationError {
    static func server(_ code: String, _ status: Int, _ message: String, _ retryAfter: Double? = nil) -> GenerationError {
        GenerationError(code: code, message: message, status: status, type: "server_error", retryAfterSeconds: retryAfter)
    }
}
