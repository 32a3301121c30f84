import COpenSSL
import Glibc

/// Text and dates from a certificate.
enum X509Text {
    /// The subject in RFC 4514 form, such as `CN=alice,O=Example`.
    static func subject(_ certificate: OpaquePointer) -> String? {
        guard let memory = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(memory) }
        guard copenssl_print_subject(memory, certificate) >= 0 else { return nil }
        var start: UnsafeMutablePointer<CChar>?
        let length = copenssl_memory_length(memory, &start)
        return String(decoding: UnsafeRawBufferPointer(start: start, count: Int(length)), as: UTF8.self)
    }

    /// Seconds until it expires; negative if expired.
    static func secondsLeft(_ certificate: OpaquePointer) -> Int? {
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard ASN1_TIME_diff(&days, &seconds, nil, X509_get0_notAfter(certificate)) == 1 else { return nil }
        return Int(days) * 86_400 + Int(seconds)
    }

    /// Whether its validity period has begun.
    static func hasBegun(_ certificate: OpaquePointer) -> Bool {
        X509_cmp_time(X509_get0_notBefore(certificate), nil) < 0
    }
}
