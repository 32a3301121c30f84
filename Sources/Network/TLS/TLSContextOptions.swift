import COpenSSL
import Glibc

/// Options shared by server and client contexts.
enum TLSContextOptions {
    static func apply(to context: OpaquePointer, isServer: Bool, asksKernel: Bool = KernelTLS.isAvailable) {
        // Free empty buffers; allow partial writes, and retries from a moved buffer.
        copenssl_set_mode(
            context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        // Read header and body of a record by one system call.
        copenssl_set_read_ahead(context)
        copenssl_set_options(context, isServer, asksKernel)
    }

    /// A better error than OpenSSL's for a missing file.
    static func checkReadable(_ path: String) throws(TLSFileError) {
        if access(path, R_OK) == 0 { return }
        throw TLSFileError(path: path, problem: "cannot be read: \(String(cString: strerror(errno)))")
    }

    /// Loads a certificate chain and its key.
    static func load(_ files: TLSCertificateFiles, into context: OpaquePointer) throws(TLSFileError) {
        for path in [files.certificate, files.key] { try checkReadable(path) }
        ERR_clear_error()
        if SSL_CTX_use_certificate_chain_file(context, files.certificate) != 1 {
            throw TLSFileError(
                path: files.certificate, problem: "holds no certificate in PEM form (\(OpenSSLError.take()))")
        }
        // OpenSSL would prompt for a passphrase on the terminal, and block.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        if SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) != 1 {
            let code = ERR_peek_last_error()
            let isOfAnother = copenssl_error_reason(code) == X509_R_KEY_VALUES_MISMATCH
            let detail = OpenSSLError.take()
            throw TLSFileError(
                path: files.key,
                problem: isOfAnother
                    ? "is not the key of \(files.certificate)" : "holds no private key in PEM form without a passphrase (\(detail))"
            )
        }
        if SSL_CTX_check_private_key(context) != 1 {
            ERR_clear_error()
            throw TLSFileError(path: files.key, problem: "is not the key of \(files.certificate)")
        }
    }

    /// SHA-256 of a file's content and a word; nil if it cannot be read.
    static func digest(of path: String, _ word: String) -> [UInt8]? {
        guard let file = BIO_new_file(path, "r") else { return nil }
        defer { BIO_free(file) }
        var content = Array(word.utf8)
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = BIO_read(file, &chunk, Int32(chunk.count))
            if count <= 0 { break }
            content += chunk[..<Int(count)]
        }
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(content, content.count, &digest)
        return digest
    }
}
