import COpenSSL

/// Result of checking certificate files, for display.
public struct TLSCertificateReport: Sendable {
    public let subject: String
    /// Whole days until it expires; negative if expired.
    public let daysLeft: Int
    /// Whether its validity period has begun.
    public let hasBegun: Bool

    /// Loads certificate and key like the server.
    /// - Throws: ``TLSFileError`` if they are unusable.
    public static func check(_ files: TLSCertificateFiles) throws(TLSFileError) -> TLSCertificateReport {
        let set = try TLSCertificateSet(TLSSettings(certificates: [files]), ticketKeys: TLSTicketKeys())
        guard let certificate = SSL_CTX_get0_certificate(set.defaultContext), let seconds = X509Text.secondsLeft(certificate)
        else { throw TLSFileError(path: files.certificate, problem: "does not say how long it is valid") }
        return TLSCertificateReport(
            // number-safe: the dates of a certificate have years of four digits
            subject: X509Text.subject(certificate) ?? "", daysLeft: seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400,
            hasBegun: X509Text.hasBegun(certificate))
    }
}
