import Network

/// Why a caller is not let in, or may not do what it asks for.
package enum AccessError: Error, Sendable, Equatable {
    /// A key is needed, and the request bears none.
    case missingKey
    case unknownKey
    /// The key that a connection was opened with has ended.
    case keyRevoked
    /// Too many wrong keys came from the caller's address.
    case tooManyAttempts(retryAfter: Duration)
    /// The issuer's keys are being fetched: the same request may be let in a second later.
    case issuerKeysPending
    /// Too many new tokens are being verified: the same request may be let in a second later.
    case tokenVerificationBusy
    /// The ticket was used already, or has expired.
    case invalidTicket
    /// The credential is for one session or response alone, and not for this call.
    case boundElsewhere
    case missingScope(Scopes)
    /// The call is for the operator, who has no key that could be given.
    case operatorKeyNotSet
    case operatorKeyNeeded
}
