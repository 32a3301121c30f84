package import Access
import HTTP
import Network

extension APIError {
    /// The HTTP error for a refused caller.
    package init(_ error: AccessError) {
        switch error {
        case .missingKey:
            self = .unauthorized("An API key is needed: send it as 'Authorization: Bearer KEY'.", code: "missing_api_key")
        case .unknownKey: self = .unauthorized("The API key is not known here.", code: "invalid_api_key")
        case .keyRevoked: self = .unauthorized("The key that this was opened with is no longer valid.", code: "key_revoked")
        case .invalidTicket:
            self = .unauthorized("The ticket was used already, or has expired. Ask for another.", code: "invalid_ticket")
        case .operatorKeyNeeded:
            self = .unauthorized(
                "The operator's key is needed: send it as 'Authorization: Bearer KEY'.", code: "operator_key_needed")
        case .operatorKeyNotSet:
            self.init(
                status: .forbidden,
                message: "Metrics and connections are for the operator: start the server with --operator-key KEY and send it.",
                code: "operator_key_not_set")
        case .missingScope(let scope):
            self.init(
                status: .forbidden, message: "The key lacks the scope '\(scope.text)', which this call needs.",
                code: "missing_scope")
        case .boundElsewhere:
            self.init(
                status: .forbidden, message: "This credential is for one session or response alone, and not for this call.",
                code: "credential_is_bound")
        case .tooManyAttempts(let wait):
            self.init(
                status: .tooManyRequests, message: "Too many wrong keys came from your address. Wait before you try another.",
                type: "authentication_error", code: "too_many_failed_attempts", retryAfterSeconds: wait.seconds)
        case .issuerKeysPending: self = .passing("The issuer's keys are being fetched. Try again.", code: "issuer_keys_pending")
        case .tokenVerificationBusy:
            self = .passing("Too many new tokens are being verified. Try again.", code: "token_verification_busy")
        }
    }

    /// The error for a credential that is bound to another session or response.
    package static var boundElsewhere: APIError { APIError(.boundElsewhere) }

    private static func unauthorized(_ message: String, code: String) -> APIError {
        APIError(
            status: .unauthorized, message: message, type: "authentication_error", code: code,
            fields: [("WWW-Authenticate", "Bearer")])
    }

    private static func passing(_ message: String, code: String) -> APIError {
        APIError(status: .serviceUnavailable, message: message, type: "server_error", code: code, retryAfterSeconds: 1)
    }
}

extension Caller {
    /// - Throws: ``APIError`` 403 with the name of the missing scope.
    package func require(_ scope: Scopes?) throws(APIError) {
        if let scope, !has(scope) { throw APIError(.missingScope(scope)) }
    }
}
