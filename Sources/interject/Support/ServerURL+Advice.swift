import Network

extension ServerURL {
    /// A TLS error of this server, with a remedy.
    func advice(_ error: TLSError) -> String {
        switch error.reason {
        case .badCertificate where error.detail.contains("self-signed") || error.detail.contains("self signed"):
            "\(error) \(Self.ownCertificateAdvice)"
        case .badCertificate where error.detail.contains("local issuer"):
            "\(error) \(Self.authorityAdvice)"
        case .notTLS, .plainHTTP: "\(error) (give the URL as http://\(host))"
        default: "\(error)"
        }
    }

    /// An error of a request to this server, with a remedy.
    func advice(_ error: HTTPTransferError) -> String {
        guard case .tls(let words) = error else { return "\(error)" }
        if words.contains("self-signed") || words.contains("self signed") {
            return "the peer's certificate is not accepted: \(words) \(Self.ownCertificateAdvice)"
        }
        if words.contains("local issuer") { return "the peer's certificate is not accepted: \(words) \(Self.authorityAdvice)" }
        // OpenSSL's errors for a plaintext response.
        if words.contains("wrong version number") || words.contains("packet length too long") || words.contains("http request") {
            return "the peer does not speak TLS: \(words) (give the URL as http://\(host))"
        }
        return words.contains("certificate") ? "the peer's certificate is not accepted: \(words)" : "\(error)"
    }

    private static let ownCertificateAdvice =
        "(if it is yours: --ca-file FILE, with the certificate itself or the authority that signed it)"
    private static let authorityAdvice = "(its authority is not trusted here: --ca-file FILE adds it)"

    /// The remedy for the plaintext response of a TLS port, of Interject or another server; nil for any other response.
    /// - Parameter body: the body of a response with status 400.
    func advice(badRequest body: String) -> String? {
        guard secureName == nil, !body.hasPrefix("{"), body.contains("HTTPS") || body.contains("https://") else { return nil }
        return "the port speaks TLS: give the URL as https://\(host)"
    }
}
