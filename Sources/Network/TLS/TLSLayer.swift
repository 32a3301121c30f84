import CLinux
import COpenSSL
import Glibc

/// TLS between a connection and its socket, by OpenSSL, which reads and writes the socket itself if the kernel can take over
/// encryption (kTLS). Nonblocking; buffers exist only while they contain bytes.
final class TLSLayer: SocketLayer {
    enum Role {
        case server(TLSServerContext)
        case client(TLSClientContext, host: String)
    }

    /// Most bytes of a record (RFC 8446 §5.1).
    private static let recordByteCount = 16_384

    private let role: Role
    private let lower: SocketLayer?
    /// Created at the first step of the handshake: a peer that sends nothing costs no state.
    private var ssl: OpaquePointer?
    /// Used by OpenSSL's callbacks.
    private var certificates: TLSCertificateSet?
    private var broken: TLSError?
    /// A result that followed data: returned by the next call.
    private var held: (result: Int, code: Int32)?
    private var isReadBlockedByWrite = false

    /// - Parameter lower: a layer instead of the socket, for tests.
    init(_ role: Role, lower: SocketLayer? = nil) {
        self.role = role
        self.lower = lower
    }

    deinit { SSL_free(ssl) }

    override var isClient: Bool { if case .client = role { true } else { false } }

    // MARK: Handshake

    override var needsHandshake: Bool { true }

    override var handshakeTimeout: Duration {
        switch role {
        case .server(let context): context.settings.handshakeTimeout
        case .client: .seconds(10)
        }
    }

    override func handshake(_ descriptor: Int32) -> Handshake {
        if ssl == nil, lower == nil, !isClient, Self.beginsWithALetter(descriptor) { return .failed(note(TLSError(.plainHTTP))) }
        guard let ssl = ssl ?? start(descriptor) else {
            return .failed(note(TLSError(.protocolError, OpenSSLError.take())))
        }
        ERR_clear_error()
        errno = 0
        let result = SSL_do_handshake(ssl)
        let code = errno
        if result == 1 {
            if case .server(let context) = role {
                context.countHandshake(isResumed: copenssl_is_session_reused(ssl) == 1)
                context.countKernel(sends: copenssl_kernel_sends(ssl), receives: copenssl_kernel_receives(ssl))
            }
            return .done
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case let kind:
            let failure = OpenSSLError.failure(ssl, kind, errno: code)
            return .failed(note(failure.reason == .truncated ? TLSError(.closed) : failure))
        }
    }

    /// Whether the peer speaks plain HTTP: a method begins with a letter, a TLS record with its type (22). OpenSSL recognises only
    /// some methods, and answers others with an alert that HTTP clients do not understand.
    private static func beginsWithALetter(_ descriptor: Int32) -> Bool {
        var first: UInt8 = 0
        guard recv(descriptor, &first, 1, Int32(MSG_PEEK)) == 1 else { return false }
        return (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first & 0xDF)
    }

    override func handshakeAbandoned(_ error: TLSError) { _ = note(error) }

    private func start(_ descriptor: Int32) -> OpaquePointer? {
        switch role {
        case .server(let context):
            let certificates = context.certificates
            self.certificates = certificates
            ssl = SSL_new(certificates.defaultContext)
            if let ssl { SSL_set_accept_state(ssl) }
        case .client(let context, let host): ssl = context.makeSSL(host: host)
        }
        guard let ssl else { return nil }
        // OpenSSL can enable kTLS only on its own socket BIO.
        if lower == nil, asksKernel { return SSL_set_fd(ssl, descriptor) == 1 ? ssl : nil }
        guard let bio = lower.map({ LayerBIO.make($0, descriptor) }) ?? SocketBIO.make(descriptor) else { return nil }
        SSL_set_bio(ssl, bio, bio)
        return ssl
    }

    private var asksKernel: Bool {
        switch role {
        case .server(let context): context.settings.asksKernel
        case .client: KernelTLS.isAvailable
        }
    }

    private func note(_ failure: TLSError) -> TLSError {
        if broken == nil, case .server(let context) = role { context.count(failure) }
        broken = failure
        return failure
    }

    override var failure: TLSError? { broken }

    // MARK: Bytes

    override func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int {
        if let held {
            self.held = nil
            errno = held.code
            return held.result
        }
        guard let ssl, broken == nil else {
            errno = EPROTO
            return -1
        }
        isReadBlockedByWrite = false
        var filled = 0
        while filled < room {
            OpenSSLError.forgetEarlier()
            errno = 0
            let count = SSL_read(ssl, base + filled, Int32(clamping: room - filled))
            if count > 0 {
                filled += Int(count)
                // A short record with nothing after it: another read would only cost a system call.
                if Int(count) < Self.recordByteCount, SSL_has_pending(ssl) == 0 { break }
                continue
            }
            let outcome = outcome(of: count, ssl)
            if filled == 0 {
                errno = outcome.code
                return outcome.result
            }
            if outcome.code != EAGAIN { held = outcome }
            break
        }
        return filled
    }

    override func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
        guard let ssl, broken == nil else {
            errno = EPROTO
            return -1
        }
        OpenSSLError.forgetEarlier()
        errno = 0
        let sent = SSL_write(ssl, base, Int32(clamping: count))
        if sent > 0 { return Int(sent) }
        let outcome = outcome(of: sent, ssl, isReading: false)
        errno = outcome.result == 0 ? EPIPE : outcome.code
        return -1
    }

    /// Translates a failed call to the result of a system call.
    private func outcome(of result: Int32, _ ssl: OpaquePointer, isReading: Bool = true) -> (result: Int, code: Int32) {
        let code = errno
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return (-1, EAGAIN)
        case SSL_ERROR_WANT_WRITE:
            if isReading { isReadBlockedByWrite = true }
            return (-1, EAGAIN)
        case SSL_ERROR_ZERO_RETURN: return (0, 0)
        case let kind:
            let failure = OpenSSLError.failure(ssl, kind, errno: code)
            // A socket error keeps its errno.
            if failure.reason == .truncated, code == EPIPE || code == ECONNRESET {
                broken = failure
                return (-1, code)
            }
            _ = note(failure)
            return (-1, EPROTO)
        }
    }

    override func closeOutput(_ descriptor: Int32) -> Int {
        guard let ssl, broken == nil else { return 0 }
        ERR_clear_error()
        errno = 0
        let result = SSL_shutdown(ssl)
        if result < 0, SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE {
            errno = EAGAIN
            return -1
        }
        ERR_clear_error()
        return 0
    }

    override var hasUnread: Bool { held != nil || (ssl.map { SSL_has_pending($0) == 1 } ?? false) }

    override var receiveWantsWritable: Bool { isReadBlockedByWrite }

    // MARK: Peer

    override var peerSubject: String? {
        guard let ssl, let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        return X509Text.subject(certificate)
    }
}
