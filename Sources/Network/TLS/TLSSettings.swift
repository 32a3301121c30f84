/// A certificate chain and its key, in PEM files.
public struct TLSCertificateFiles: Sendable, Hashable {
    /// The certificate, followed by the intermediate ones.
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// TLS settings of a server.
public struct TLSSettings: Sendable {
    /// Whether clients send a certificate.
    public enum ClientAuthentication: String, Sendable, CaseIterable {
        case none
        /// Optional; an invalid one is refused.
        case request
        /// Required.
        case require
    }

    public enum Version: String, Sendable, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// The certificates by preference: the first that matches the requested name (SNI), else the first.
    public var certificates: [TLSCertificateFiles]
    public var clientAuthentication = ClientAuthentication.none
    /// PEM file of the authorities whose client certificates are accepted.
    public var clientAuthorities: String?
    public var minVersion = Version.tls12
    /// Deadline of a handshake.
    public var handshakeTimeout = Duration.seconds(10)
    /// Whether to request kernel TLS. Without support in the kernel, OpenSSL encrypts itself.
    package var asksKernel = KernelTLS.isAvailable

    public init(certificates: [TLSCertificateFiles]) { self.certificates = certificates }
}
