import HTTP
import Network
package import Sessions

extension UpstreamFault {
    /// The fault as an error for clients. See `Protocols/upstreams.md`, Faults.
    /// - Parameters:
    ///   - upstream: host and port, for the message.
    ///   - key: removed from the message if the upstream quotes it.
    package func generationError(upstream: String, model: String, key: String?) -> GenerationError {
        var error = mapped(upstream: upstream, model: model)
        let blotter = KeyBlotter(key: key)
        error.message = blotter.clean(error.message)
        error.code = blotter.clean(error.code)
        error.param = error.param.map(blotter.clean)
        return error
    }

    private func mapped(upstream: String, model: String) -> GenerationError {
        switch self {
        case .transport(let error): Self.transport(error, upstream)
        case .status(let status, let error, _):
            Self.status(status, error, upstream: upstream, model: model, retryAfter: retryAfterSeconds)
        case .inBand(let error):
            Self.status(error.impliedStatus, error, upstream: upstream, model: model, retryAfter: retryAfterSeconds)
        case .notSent(let error): error
        case .malformed(let what):
            .server("upstream_malformed", 502, "The upstream \(upstream) sent what is not in its protocol: \(what).")
        case .truncated:
            .server("upstream_truncated", 502, "The upstream \(upstream) broke off before the answer was complete.")
        case .notAStream(let contentType, let words):
            .server(
                "upstream_malformed", 502,
                "The upstream \(upstream) did not answer with an event stream but with \(contentType)"
                    + (words.map { ", which says “\($0.shortened(to: UpstreamErrorObject.maxPlainCharacters))”." } ?? ".")
                    + " Is its URL right?")
        }
    }

    /// Time until descriptors are likely to be free again.
    private static let noDescriptorsRetrySeconds = 5.0

    private static func transport(_ error: HTTPTransferError, _ upstream: String) -> GenerationError {
        let message = "The upstream \(upstream) failed: \(error)."
        return switch error {
        case .couldNotResolve, .couldNotConnect, .destinationNotAllowed, .tls, .invalidRequest:
            .server("upstream_unreachable", 502, message)
        case .connectTimedOut, .silence, .timedOut: .server("upstream_timeout", 504, message)
        case .cut: .server("upstream_truncated", 502, message)
        case .notHTTP: .server("upstream_malformed", 502, message)
        case .noDescriptors:
            .server("overloaded", 503, "The server is at its limit of connections. Try again later.", noDescriptorsRetrySeconds)
        case .loopStopped: .server("server_stopping", 503, message)
        }
    }

    private static func status(
        _ status: Int, _ error: UpstreamErrorObject, upstream: String, model: String, retryAfter: Double?
    ) -> GenerationError {
        let words = (error.message?.prefix(UpstreamLimits.maxMessageCharacters)).map(String.init)
        let phrase = HTTPStatus(status).reasonPhrase
        let name = phrase.utf8CodeUnitCount == 0 ? "\(status)" : "\(status) \(phrase)"
        func refusal(_ status: Int, _ code: String, _ message: String, type: String = "invalid_request_error") -> GenerationError {
            GenerationError(code: code, message: words ?? message, status: status, type: type, param: error.ownParam)
        }
        switch (status, error.matter(of: status)) {
        case (_, .key):
            // Such messages often quote a part of the key.
            return GenerationError(
                code: "upstream_authentication_failed",
                message: "The upstream \(upstream) refused this server's key (status \(status)); your own key is not concerned.",
                status: status, type: "authentication_error")
        case (404, _):
            return refusal(
                404, "model_not_found", "The upstream \(upstream) does not know the model \(model), or has no such path.")
        case (429, _):
            return GenerationError(
                code: "rate_limit_exceeded", message: words ?? "The upstream \(upstream) is limiting the rate of requests.",
                status: 429,
                type: "rate_limit_error", retryAfterSeconds: retryAfter)
        case (400, _), (413, _), (415, _), (422, _):
            return refusal(
                400, error.ownCode ?? "invalid_request", "The upstream \(upstream) refused the request (status \(name)).")
        case (402, _):
            return refusal(
                402, error.ownCode ?? "payment_required",
                "The account of this server at the upstream \(upstream) is empty (status \(name)).")
        case (403, .moderation):
            return refusal(
                403, error.ownCode ?? "content_policy_violation", "The upstream \(upstream) refused the content.",
                type: "permission_error")
        case (403, _):
            return refusal(
                403, error.ownCode ?? "upstream_forbidden", "The upstream \(upstream) refused access.", type: "permission_error")
        case (529, _):
            return .server("upstream_overloaded", 503, words ?? "The upstream \(upstream) is overloaded.", retryAfter)
        case (300..<400, _):
            return .server(
                "upstream_error", 502, "The upstream \(upstream) redirects (status \(status)): set its URL to where that leads.")
        case (407, _), (408, _), (409, _), (425, _), (499, _), (500..., _), (..<400, _):
            let said = words.map { "(status \(status)): \($0)" } ?? "(status \(name))."
            return .server("upstream_error", 502, "The upstream \(upstream) failed \(said)", retryAfter)
        default:
            return refusal(
                status, error.ownCode ?? "upstream_refused", "The upstream \(upstream) refused the request (status \(name)).")
        }
    }
}

extension UpstreamErrorObject {
    /// The code if it is a word; a number says no more than the status.
    fileprivate var ownCode: String? {
        guard let code, Double(code) == nil, (1...UpstreamLimits.maxNameCharacters).contains(code.utf8.count) else { return nil }
        return code
    }

    fileprivate var ownParam: String? { param.map { String($0.prefix(UpstreamLimits.maxNameCharacters)) } }
}

extension GenerationError {
    static func server(_ code: String, _ status: Int, _ message: String, _ retryAfter: Double? = nil) -> GenerationError {
        GenerationError(code: code, message: message, status: status, type: "server_error", retryAfterSeconds: retryAfter)
    }
}
