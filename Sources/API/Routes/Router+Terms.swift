import Access
package import HTTP
package import Network

/// Finds the route and the credential of a request before its body is read: unauthenticated clients may send only little.
extension Router {
    /// Maximum body of a request without a key: large enough to receive the error.
    private static let maxStrangersBodyBytes = 64 << 10

    /// - Returns: nil for a JSON Web Token that has not been seen before: it is verified off the loop.
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
        // Refused at once with a retry, whatever the size of the body.
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
