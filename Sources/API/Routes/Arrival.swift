import Access

/// A request as it was understood when its head came: its route, and the credential that was verified for it.
package final class Arrival: Sendable {
    let match: RouteMatch
    /// What was found out about the JSON Web Token that it bears; nil: it bears none.
    let token: JWTVerifier.Outcome?

    init(_ match: RouteMatch, token: JWTVerifier.Outcome? = nil) {
        self.match = match
        self.token = token
    }

    /// Whether the request is answered before its body, which is of no use then.
    var isRefusedForNow: Bool { token?.isPassing ?? false }
}
