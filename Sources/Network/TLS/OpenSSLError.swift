import COpenSSL
import Glibc

/// OpenSSL's error queue of this thread.
enum OpenSSLError {
    /// Clears the queue before a call whose errors will be read from it. It is usually empty, and clearing walks all of it.
    @inline(__always) static func forgetEarlier() { if ERR_peek_error() != 0 { ERR_clear_error() } }

    /// The text of the first entry, the root cause, without file and line; clears the queue.
    static func take() -> String {
        let code = ERR_peek_error()
        defer { ERR_clear_error() }
        return text(code)
    }

    static func text(_ code: UInt) -> String {
        if code == 0 { return "" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return "error \(String(code, radix: 16))"
    }

    /// The error of a call on `ssl` that failed permanently.
    /// - Parameters:
    ///   - result: from `SSL_get_error`.
    ///   - code: errno after the call.
    static func failure(_ ssl: OpaquePointer, _ result: Int32, errno code: Int32) -> TLSError {
        // The newest entry is from TLS; earlier ones are from the crypto below it.
        let error = ERR_peek_last_error()
        defer { ERR_clear_error() }
        if error == 0 {
            return code == 0 || code == EPIPE || code == ECONNRESET
                ? TLSError(.truncated) : TLSError(.protocolError, String(cString: strerror(code)))
        }
        let detail = text(error)
        let reason = copenssl_error_reason(error)
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: return TLSError(.plainHTTP)
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE,
            alert(TLS1_AD_PROTOCOL_VERSION):
            return TLSError(.protocolVersion, detail)
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_BAD_RECORD_TYPE, SSL_R_UNKNOWN_PROTOCOL: return TLSError(.notTLS, detail)
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS,
            SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return TLSError(.noSharedCipher, detail)
        case SSL_R_NO_APPLICATION_PROTOCOL, alert(TLS1_AD_NO_APPLICATION_PROTOCOL):
            return TLSError(.noApplicationProtocol, "")
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLSError(.certificateRequired)
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            let verdict = SSL_get_verify_result(ssl)
            return TLSError(.badCertificate, X509_verify_cert_error_string(verdict).map { String(cString: $0) } ?? detail)
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: return TLSError(.truncated)
        case SSL_AD_REASON_OFFSET...(SSL_AD_REASON_OFFSET + 255): return TLSError(.refusedByPeer, detail)
        default: return TLSError(.protocolError, detail)
        }
    }

    /// OpenSSL's reason code for an alert from the peer.
    private static func alert(_ number: Int32) -> Int32 { SSL_AD_REASON_OFFSET + number }
}
