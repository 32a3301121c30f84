import COpenSSL
import Glibc

/// The certificates from one load of the files. Connections retain the set that they started with; a reload creates a new one.
///
/// `@unchecked`: OpenSSL's contexts are reference-counted and thread-safe, and nothing here changes after `init`.
final class TLSCertificateSet: @unchecked Sendable {
    /// Ciphers for TLS 1.2: only forward secrecy and authenticated encryption (RFC 9325 §4.2). TLS 1.3 has no others.
    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"

    /// One context per certificate; the first is the default for clients that request no name or an unknown one.
    private let contexts: [OpaquePointer]
    let ticketKeys: TLSTicketKeys
    var defaultContext: OpaquePointer { contexts[0] }

    /// - Throws: ``TLSFileError`` for the first unusable file.
    init(_ settings: TLSSettings, ticketKeys: TLSTicketKeys) throws(TLSFileError) {
        self.ticketKeys = ticketKeys
        var made: [OpaquePointer] = []
        do throws(TLSFileError) {
            for files in settings.certificates { made.append(try Self.context(files, settings)) }
            if made.isEmpty { throw TLSFileError(path: "TLS", problem: "no certificate is given") }
        } catch {
            for context in made { SSL_CTX_free(context) }
            throw error
        }
        contexts = made
        for context in made {
            copenssl_set_context_data(context, Unmanaged.passUnretained(self).toOpaque())
            Self.setCallbacks(context)
        }
    }

    deinit {
        for context in contexts { SSL_CTX_free(context) }
    }

    private static func context(_ files: TLSCertificateFiles, _ settings: TLSSettings) throws(TLSFileError) -> OpaquePointer {
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw TLSFileError(path: "TLS", problem: OpenSSLError.take())
        }
        do throws(TLSFileError) {
            TLSContextOptions.apply(to: context, isServer: true, asksKernel: settings.asksKernel)
            copenssl_set_min_version(context, settings.minVersion == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION)
            SSL_CTX_set_cipher_list(context, ciphers)
            // Tickets contain the session; no cache is needed.
            copenssl_disable_session_cache(context)
            try TLSContextOptions.load(files, into: context)
            try setClientAuthentication(settings, context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        return context
    }

    private static func setClientAuthentication(
        _ settings: TLSSettings, _ context: OpaquePointer
    ) throws(TLSFileError) {
        var identity = Array("interject".utf8)
        defer { SSL_CTX_set_session_id_context(context, identity, UInt32(identity.count)) }
        if settings.clientAuthentication == .none { return }
        guard let path = settings.clientAuthorities else {
            throw TLSFileError(path: "TLS", problem: "client certificates need the file of their authorities")
        }
        try TLSContextOptions.checkReadable(path)
        ERR_clear_error()
        guard SSL_CTX_load_verify_locations(context, path, nil) == 1, let names = SSL_load_client_CA_file(path) else {
            throw TLSFileError(path: path, problem: "holds no certificate in PEM form (\(OpenSSLError.take()))")
        }
        SSL_CTX_set_client_CA_list(context, names)
        let mode = SSL_VERIFY_PEER | (settings.clientAuthentication == .require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        SSL_CTX_set_verify(context, mode, nil)
        // A ticket stands for a verified client, so it must not outlive a change of the authorities.
        if let digest = TLSContextOptions.digest(of: path, settings.clientAuthentication.rawValue) { identity = digest }
    }

    // MARK: Handshake callbacks

    private static func setCallbacks(_ context: OpaquePointer) {
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, chosenLength, offered, offeredLength, _ in
                guard let chosen, let chosenLength, let offered else { return SSL_TLSEXT_ERR_NOACK }
                // A list of length-prefixed names (RFC 7301 §3.1).
                let name: StaticString = "http/1.1"
                var position = 0
                let end = Int(offeredLength)
                while position < end {
                    let length = Int(offered[position])
                    position += 1
                    if length == name.utf8CodeUnitCount, position + length <= end,
                        memcmp(offered + position, name.utf8Start, length) == 0
                    {
                        chosen.pointee = offered + position
                        chosenLength.pointee = UInt8(length)
                        return SSL_TLSEXT_ERR_OK
                    }
                    position += length
                }
                return SSL_TLSEXT_ERR_ALERT_FATAL
            }, nil)
        copenssl_set_server_name_callback(context) { ssl, _, _ in
            guard let ssl, let set = TLSCertificateSet.of(ssl), let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
                let context = set.context(for: name)
            else { return SSL_TLSEXT_ERR_OK }
            SSL_set_SSL_CTX(ssl, context)
            return SSL_TLSEXT_ERR_OK
        }
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { ssl, name, vector, cipher, mac, isSealing in
            guard let ssl, let name, let vector, let cipher, let mac, let set = TLSCertificateSet.of(ssl) else { return -1 }
            return set.ticketKeys.prepare(name: name, vector: vector, cipher: cipher, mac: mac, isSealing: isSealing == 1)
        }
    }

    private static func of(_ ssl: OpaquePointer) -> TLSCertificateSet? {
        copenssl_context_data(ssl).map { Unmanaged<TLSCertificateSet>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The first certificate with exactly that name, else the first whose wildcard matches.
    private func context(for name: UnsafePointer<CChar>) -> OpaquePointer? {
        for flags in [UInt32(X509_CHECK_FLAG_NO_WILDCARDS), 0] {
            for context in contexts where X509_check_host(SSL_CTX_get0_certificate(context), name, 0, flags, nil) == 1 {
                return context
            }
        }
        return nil
    }
}
