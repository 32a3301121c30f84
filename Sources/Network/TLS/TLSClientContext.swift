import COpenSSL

/// The client side of TLS: its trusted authorities. Servers are always verified.
///
/// `@unchecked`: OpenSSL's context is reference-counted and thread-safe, and nothing here changes after `init`.
public final class TLSClientContext: @unchecked Sendable {
    private let context: OpaquePointer

    /// - Parameters:
    ///   - authorities: PEM file of the authorities to trust instead of the system's.
    ///   - certificate: sent to servers that request one.
    /// - Throws: ``TLSFileError`` if a file is unusable.
    public init(authorities: String? = nil, certificate: TLSCertificateFiles? = nil) throws(TLSFileError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw TLSFileError(path: "TLS", problem: OpenSSLError.take())
        }
        TLSContextOptions.apply(to: context, isServer: false)
        copenssl_set_min_version(context, TLS1_2_VERSION)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        let protocols = [8] + Array("http/1.1".utf8)
        SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count))
        self.context = context
        if let certificate { try TLSContextOptions.load(certificate, into: context) }
        guard let path = authorities else {
            SSL_CTX_set_default_verify_paths(context)
            return
        }
        try TLSContextOptions.checkReadable(path)
        ERR_clear_error()
        if SSL_CTX_load_verify_locations(context, path, nil) != 1 {
            throw TLSFileError(path: path, problem: "holds no certificate in PEM form (\(OpenSSLError.take()))")
        }
    }

    deinit { SSL_CTX_free(context) }

    /// The layer for one connection.
    /// - Parameter host: the name or address that the server's certificate must match.
    public func layer(host: String) -> SocketLayer { layer(host: host, over: nil) }

    package func layer(host: String, over lower: SocketLayer?) -> SocketLayer {
        TLSLayer(.client(self, host: host), lower: lower)
    }

    /// For ``TLSLayer``: an `SSL` that verifies `host`.
    func makeSSL(host: String) -> OpaquePointer? {
        guard let ssl = SSL_new(context) else { return nil }
        // SNI carries only names, never addresses (RFC 6066 §3).
        let isAddress = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
        ERR_clear_error()
        if !isAddress {
            SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            guard SSL_set1_host(ssl, host) == 1 else {
                SSL_free(ssl)
                return nil
            }
            copenssl_set_server_name(ssl, host)
        }
        SSL_set_connect_state(ssl)
        return ssl
    }
}
