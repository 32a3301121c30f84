import Network

extension ServerURL {
    /// What is wrong with the TLS there, and what to do about it.
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

    /// The same, of a request.
    func advice(_ error: HTTPTransferError) -> String {
        guard case .tls(let words) = error else { return "\(error)" }
        if words.contains("self-signed") || words.contains("self signed") {
            return "the peer's certificate is not accepted: \(words) \(Self.ownCertificateAdvice)"
        }
        if words.contains("local issuer") { return "the peer's certificate is not accepted: \(words) \(Self.authorityAdvice)" }
        // What OpenSSL says of an answer in clear.
        if words.contains("wrong version number") || words.contains("packet length too long") || words.contains("http request") {
            return "the peer does not speak TLS: \(words) (give the URL as http://\(host))"
        }
        return words.contains("certificate") ? "the peer's certificate is not accepted: \(words)" : "\(error)"
    }

    private static let ownCertificateAdvice =
        "(if it is yours: --ca-file FILE, with the certificate itself or the authority that signed it)"
    private static let authorityAdvice = "(whoever signed it is not known here: --ca-file FILE names an authority)"

    /// What to do about an answer in clear of a port that speaks TLS, ours or another server's; nil for any other answer.
    /// - Parameter body: of an answer with status 400.
    func advice(badRequest body: String) -> String? {
        guard secureName == nil, !body.hasPrefix("{"), body.contains("HTTPS") || body.contains("https://") else { return nil }
        return "the port speaks TLS: give the URL as https://\(host)"
    }
}
