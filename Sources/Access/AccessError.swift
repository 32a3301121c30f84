import Network

/// Why a caller is not authenticated, or not authorized for a call.
package enum AccessError: Error, Sendable, Equatable {
    /// A key is required, and the request carries none.
    case missingKey
    case unknownKey
    /// The key with which a connection was opened has expired or was revoked.
    case keyRevoked
    /// Too many wrong keys came from the caller's address.
    case tooManyAttempts(retryAfter: Duration)
    /// The issuer's keys are being fetched: the same request may succeed a second later.
    case issuerKeysPending
    /// Too many new tokens are being verified: the same request may succeed a second later.
    case tokenVerificationBusy
    /// The ticket has been used or has expired.
    case invalidTicket
    /// The credential is bound to one session or response, and not valid for this call.
    case boundElsewhere
    case missingScope(Scopes)
    /// The call is for the operator, and no operator key is configured.
    case operatorKeyNotSet
    case operatorKeyNeeded
}
