import Network

/// Checks whether the server can use its certificates.
enum CertificateChecks {
    /// Days before the expiry at which to warn; automatic renewal normally happens 30 days before it.
    static let fewDays = 21

    static func find(_ settings: ServeSettings) -> [Finding] {
        if settings.tlsPort == nil { return [] }
        let kernel =
            KernelTLS.isAvailable ? "the kernel encrypts (kTLS)" : "the kernel has no kTLS (modprobe tls): OpenSSL encrypts"
        return settings.tlsCertificateFiles.map(find) + [.ok("tls", kernel)]
    }

    static func find(_ files: TLSCertificateFiles) -> Finding {
        do throws(TLSFileError) {
            return judge(try TLSCertificateReport.check(files), files)
        } catch {
            return .fail("tls", "\(error)")
        }
    }

    private static func judge(_ report: TLSCertificateReport, _ files: TLSCertificateFiles) -> Finding {
        let what = "\(files.certificate) (\(report.subject))"
        if report.daysLeft < 0 { return .fail("tls", "\(what) expired \(-report.daysLeft) days ago: renew it") }
        if !report.hasBegun { return .fail("tls", "\(what) is not valid yet: is the clock right?") }
        if report.daysLeft < fewDays { return .warn("tls", "\(what) is valid for \(report.daysLeft) more days: renew it") }
        return .ok("tls", "\(what) is valid for \(report.daysLeft) more days, and its key matches")
    }
}
