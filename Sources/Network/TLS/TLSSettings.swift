/// A certificate chain and its key, in PEM files.
public struct TLSCertificateFiles: Sendable, Hashable {
    /// The certificate, then those of the authorities between it and the root.
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// How a server speaks TLS.
public struct TLSSettings: Sendable {
    /// Whether clients show a certificate.
    public enum ClientAuthentication: String, Sendable, CaseIterable {
        case none
        /// A client may; a bad one is refused.
        case request
        /// A client must.
        case require
    }

    public enum Version: String, Sendable, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// The certificates by preference: a client gets the first that is for the name it asks for (SNI), else the first.
    public var certificates: [TLSCertificateFiles]
    public var clientAuthentication = ClientAuthentication.none
    /// PEM file of the authorities whose client certificates are accepted.
    public var clientAuthorities: String?
    public var minVersion = Version.tls12
    /// How long a handshake may take.
    public var handshakeTimeout = Duration.seconds(10)
    /// Whether the kernel is asked to encrypt. It is safe to ask one that cannot: OpenSSL goes on by itself.
    package var asksKernel = KernelTLS.isAvailable

    public init(certificates: [TLSCertificateFiles]) { self.certificates = certificates }
}
