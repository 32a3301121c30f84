/// Why a TLS connection could not be made, or broke.
public struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of failures, to be counted. The raw values are names for metrics.
    public enum Reason: String, Sendable, CaseIterable {
        /// The peer speaks plain HTTP.
        case plainHTTP = "plain_http"
        /// The peer speaks something else that is not TLS.
        case notTLS = "not_tls"
        /// No version that both sides allow.
        case protocolVersion = "protocol_version"
        case noSharedCipher = "no_shared_cipher"
        /// The client asks for application protocols (ALPN), and ours is not among them.
        case noApplicationProtocol = "no_application_protocol"
        /// A client that must have a certificate gave none.
        case certificateRequired = "certificate_required"
        /// The peer's certificate is not trusted, not for this name, or out of date.
        case badCertificate = "bad_certificate"
        /// The peer does not trust our certificate, or has another reason of its own; its alert is in the detail.
        case refusedByPeer = "refused_by_peer"
        /// The peer went away in the middle of the handshake.
        case closed
        /// The handshake took too long.
        case timeout
        /// The connection ended without the peer's close_notify: what came last may not be all (RFC 8446 §6.1).
        case truncated
        /// Anything else that broke the protocol.
        case protocolError = "protocol_error"
    }

    public let reason: Reason
    /// What OpenSSL says, for people.
    public let detail: String

    init(_ reason: Reason, _ detail: String = "") {
        self.reason = reason
        self.detail = detail
    }

    public var description: String {
        let what =
            switch reason {
            case .plainHTTP: "the peer speaks plain HTTP, not TLS"
            case .notTLS: "the peer does not speak TLS"
            case .protocolVersion: "no TLS version that both sides allow"
            case .noSharedCipher: "no cipher that both sides have"
            case .noApplicationProtocol: "the client does not offer http/1.1 (ALPN)"
            case .certificateRequired: "the client gave no certificate"
            case .badCertificate: "the peer's certificate is not accepted"
            case .refusedByPeer: "the peer refused the connection"
            case .closed: "the peer closed the connection during the TLS handshake"
            case .timeout: "the TLS handshake took too long"
            case .truncated: "the connection was cut without TLS's close_notify"
            case .protocolError: "TLS failed"
            }
        return detail.isEmpty ? what : "\(what): \(detail)"
    }
}

/// A certificate or key that cannot be used; found when it is loaded.
public struct TLSFileError: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    /// What is wrong and what would be right.
    public let problem: String

    public var description: String { "\(path): \(problem)" }
}
