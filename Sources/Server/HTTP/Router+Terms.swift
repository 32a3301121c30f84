import HTTP
import Jobs
import Network

/// Who asks, before anything of a body is read: whoever is not known may send little.
extension Router {
    /// Bytes of a body from somebody without a key: enough to be told so.
    private static let maxStrangersBodyBytes = 64 << 10

    /// - Returns: nil for a JSON Web Token that was not seen before: it is verified, and not on the loop.
    func terms(for request: RequestHead) -> RequestTerms? {
        switch context.authentication.token(of: request) {
        case .none: terms(request, nil)
        case .known(let outcome): terms(request, outcome)
        case .unknown: nil
        }
    }

    func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void) {
        context.authentication.verifyToken(of: request, on: loop) { [self] outcome in then(terms(request, outcome)) }
    }

    private func terms(_ request: RequestHead, _ token: JWTVerifier.Outcome?) -> RequestTerms {
        // Files go to the disk as they come.
        let isFile = request.method == .post && request.target.path == "/v1/files"
        let limits = context.configuration
        if token?.isPassing ?? false {
            // Told at once to come again, and not that the body is too large.
            return RequestTerms(maxBodyBytes: .max, streamsBody: true, credential: token)
        }
        guard context.authentication.knows(request, token: token) else {
            return RequestTerms(maxBodyBytes: Self.maxStrangersBodyBytes, streamsBody: isFile, credential: token)
        }
        return RequestTerms(
            maxBodyBytes: isFile ? limits.fileLimits.maxFileBytes + FileReception.maxFormBytes : limits.httpLimits.maxBodyBytes,
            streamsBody: isFile, credential: token)
    }

    /// Whether the request is answered before its body, which nobody wants.
    func isRefusedForNow(_ exchange: HTTPExchange) -> Bool {
        exchange.request.body != .none && (exchange.credential as? JWTVerifier.Outcome)?.isPassing ?? false
    }
}
