/// Why a TLS handshake or connection failed.
public struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of failures. The raw values are labels of metrics.
    public enum Reason: String, Sendable, CaseIterable {
        /// The peer speaks plain HTTP.
        case plainHTTP = "plain_http"
        /// The peer speaks another protocol that is not TLS.
        case notTLS = "not_tls"
        /// No common protocol version.
        case protocolVersion = "protocol_version"
        case noSharedCipher = "no_shared_cipher"
        /// The client's application protocols (ALPN) do not include ours.
        case noApplicationProtocol = "no_application_protocol"
        /// The client sent no certificate, and one is required.
        case certificateRequired = "certificate_required"
        /// The peer's certificate is untrusted, expired, or for another name.
        case badCertificate = "bad_certificate"
        /// The peer refused, for example because it does not trust our certificate; ``detail`` has its alert.
        case refusedByPeer = "refused_by_peer"
        /// The peer disconnected during the handshake.
        case closed
        /// The handshake timed out.
        case timeout
        /// The connection ended without the peer's close_notify, so the data may be truncated (RFC 8446 §6.1).
        case truncated
        /// Any other protocol error.
        case protocolError = "protocol_error"
    }

    public let reason: Reason
    /// OpenSSL's message.
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

/// An unusable certificate or key, detected when it is loaded.
public struct TLSFileError: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    /// What is wrong, and how to fix it.
    public let problem: String

    public var description: String { "\(path): \(problem)" }
}
