import Access
package import HTTP
package import Network

/// Finds the route and the credential of a request before anything of its body is read: strangers may send little.
extension Router {
    /// Bytes of a body that comes without a key: enough to be told so.
    private static let maxStrangersBodyBytes = 64 << 10

    /// - Returns: nil for a JSON Web Token that was not seen before: it is verified, and not on the loop.
    package func terms(for request: RequestHead) -> RequestTerms? {
        switch services.authentication.token(of: request) {
        case .none: terms(request, nil)
        case .known(let outcome): terms(request, outcome)
        case .unknown: nil
        }
    }

    package func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void) {
        services.authentication.verifyToken(of: request, on: loop) { [self] outcome in then(terms(request, outcome)) }
    }

    private func terms(_ request: RequestHead, _ token: JWTVerifier.Outcome?) -> RequestTerms {
        let arrival = Arrival(services.routes.match(request.method, request.target.pathSegments), token: token)
        // Told at once to come again, and not that the body is too large.
        if arrival.isRefusedForNow { return RequestTerms(maxBodyBytes: .max, streamsBody: true, credential: arrival) }
        var terms = RequestTerms(maxBodyBytes: services.settings.maxBodyBytes, credential: arrival)
        if case .streamed(let maxBytes)? = arrival.match.route?.body {
            terms.maxBodyBytes = maxBytes
            terms.streamsBody = true
        }
        if !services.authentication.knows(request, token: token) { terms.maxBodyBytes = Self.maxStrangersBodyBytes }
        return terms
    }
}
