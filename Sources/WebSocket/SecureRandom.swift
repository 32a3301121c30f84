import COpenSSL

/// Cryptographically random bytes.
enum SecureRandom {
    static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        if RAND_bytes(start, Int32(clamping: bytes.count)) == 1 { return }
        // OpenSSL could not seed itself (no entropy device in a jail): the kernel's generator is equally good.
        var generator = SystemRandomNumberGenerator()
        for offset in bytes.indices { bytes[offset] = UInt8.random(in: .min ... .max, using: &generator) }
    }
}
