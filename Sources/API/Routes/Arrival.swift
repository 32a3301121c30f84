import Access

/// What is known about a request from its header: its route, and its verified credential.
package final class Arrival: Sendable {
    let match: RouteMatch
    /// The outcome for the request's JSON Web Token; nil if it carries none.
    let token: JWTVerifier.Outcome?

    init(_ match: RouteMatch, token: JWTVerifier.Outcome? = nil) {
        self.match = match
        self.token = token
    }

    /// Whether the request is refused before its body, which is then of no use.
    var isRefusedForNow: Bool { token?.isPassing ?? false }
}
