import COpenSSL
import Glibc
import Network

/// Certificates made for the time of a test, in a folder of their own that goes with them.
final class TestCertificates: Sendable {
    struct Failure: Error { let step: String }

    private let folder: String
    /// PEM file of the authority that all leaves are signed by.
    var authority: String { "\(folder)/ca.pem" }

    init() throws {
        folder = temporaryPath()
        guard mkdir(folder, 0o700) == 0 else { throw Failure(step: "mkdir") }
        try write("ca", subject: "Test Authority", names: nil, days: 30)
    }

    deinit {
        guard let stream = opendir(folder) else { return }
        while let entry = readdir(stream) {
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlink("\(folder)/\(String(cString: $0))") }
            }
        }
        closedir(stream)
        rmdir(folder)
    }

    /// A leaf for the given names, such as `DNS:localhost,IP:127.0.0.1`; written over when it is there already.
    @discardableResult
    func leaf(_ file: String, _ names: String, subject: String? = nil, days: Int = 30) throws -> TLSCertificateFiles {
        try write(file, subject: subject ?? file, names: names, days: days)
        return files(file)
    }

    func files(_ file: String) -> TLSCertificateFiles {
        TLSCertificateFiles(certificate: "\(folder)/\(file).pem", key: "\(folder)/\(file).key")
    }

    private func write(_ file: String, subject: String, names: String?, days: Int) throws {
        let key = try Self.makeKey()
        defer { EVP_PKEY_free(key) }
        guard let certificate = X509_new() else { throw Failure(step: "X509_new") }
        defer { X509_free(certificate) }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...1 << 40))
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86_400 + 3600)
        X509_set_pubkey(certificate, key)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, subject, -1, -1, 0)
        let extensions = [(NID_basic_constraints, names == nil ? "critical,CA:TRUE" : "CA:FALSE")]
        for (kind, value) in extensions + (names.map { [(NID_subject_alt_name, $0)] } ?? []) {
            guard let made = X509V3_EXT_conf_nid(nil, nil, kind, value) else { throw Failure(step: "extension") }
            X509_add_ext(certificate, made, -1)
            X509_EXTENSION_free(made)
        }
        var signer = key
        if names == nil {
            X509_set_issuer_name(certificate, X509_get_subject_name(certificate))
        } else {
            guard let caFile = BIO_new_file(authority, "r"), let ca = PEM_read_bio_X509(caFile, nil, nil, nil),
                let keyFile = BIO_new_file("\(folder)/ca.key", "r"),
                let caKey = PEM_read_bio_PrivateKey(keyFile, nil, nil, nil)
            else { throw Failure(step: "authority") }
            X509_set_issuer_name(certificate, X509_get_subject_name(ca))
            signer = caKey
            BIO_free(caFile)
            BIO_free(keyFile)
            X509_free(ca)
        }
        defer { if signer != key { EVP_PKEY_free(signer) } }
        guard X509_sign(certificate, signer, EVP_sha256()) > 0 else { throw Failure(step: "X509_sign") }
        let files = files(file)
        guard let out = BIO_new_file(files.certificate, "w"), let keyOut = BIO_new_file(files.key, "w") else {
            throw Failure(step: "files")
        }
        PEM_write_bio_X509(out, certificate)
        PEM_write_bio_PrivateKey(keyOut, key, nil, nil, 0, nil, nil)
        BIO_free(out)
        BIO_free(keyOut)
    }

    private static func makeKey() throws -> OpaquePointer {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        EVP_PKEY_keygen_init(context)
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1)
        guard EVP_PKEY_generate(context, &key) == 1, let key else { throw Failure(step: "key") }
        return key
    }
}

/// Puts other bytes into a file.
func overwrite(_ path: String, _ text: String) {
    let descriptor = open(path, O_WRONLY | O_TRUNC)
    _ = write(descriptor, text, text.utf8.count)
    close(descriptor)
}
