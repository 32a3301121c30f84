import Network

extension ServerURL {
    /// What is wrong with the TLS there, and what to do about it.
    func advice(_ error: TLSError) -> String {
        switch error.reason {
        case .badCertificate where error.detail.contains("self-signed") || error.detail.contains("self signed"):
            "\(error) (if it is yours: --ca-file FILE, with the certificate itself or the authority that signed it)"
        case .badCertificate where error.detail.contains("local issuer"):
            "\(error) (whoever signed it is not known here: --ca-file FILE names an authority)"
        case .notTLS, .plainHTTP: "\(error) (give the URL as http://\(host))"
        default: "\(error)"
        }
    }

    /// What to do about an answer in clear of a port that speaks TLS, ours or another server's; nil for any other answer.
    /// - Parameter body: of an answer with status 400.
    func advice(badRequest body: String) -> String? {
        guard secureName == nil, !body.hasPrefix("{"), body.contains("HTTPS") || body.contains("https://") else { return nil }
        return "the port speaks TLS: give the URL as https://\(host)"
    }
}
