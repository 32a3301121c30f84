import COpenSSL
import Glibc

/// Watches a handshake for what our own records need after it: both traffic secrets, and how many records each direction has had
/// by them. Lives from the first step of the handshake to the handover.
///
/// An `SSL` keeps 13.5 KiB for as long as it lives, of which an idle connection needs two ciphers and two numbers. As with kTLS,
/// OpenSSL does the handshake, and the records are another's from then on.
final class TLSHandover {
    private var clientSecret: TLSSecret?
    private var serverSecret: TLSSecret?
    private var sent: UInt64 = 0
    private var received: UInt64 = 0
    private var isFinishedByClient = false
    /// The client went on with handshake messages. What they change under OpenSSL is not told of, and a part of one may wait in it
    /// unseen: such a connection stays with it.
    private var hasLaterMessage = false

    /// Asks a context for the secrets of its connections.
    static func prepare(_ context: OpaquePointer) {
        // One ticket, not OpenSSL's two: a WebSocket's client has one connection, and gets a new ticket when it resumes.
        SSL_CTX_set_num_tickets(context, 1)
        SSL_CTX_set_keylog_callback(context) { ssl, line in
            guard let ssl, let line, let data = copenssl_data(ssl) else { return }
            Unmanaged<TLSHandover>.fromOpaque(data).takeUnretainedValue().note(line)
        }
    }

    /// - Parameter ssl: must not outlive this object without ``detach(_:)``.
    init(_ ssl: OpaquePointer) {
        copenssl_set_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_msg_callback(ssl) { isWrite, _, type, bytes, count, ssl, _ in
            guard let ssl, let data = copenssl_data(ssl) else { return }
            Unmanaged<TLSHandover>.fromOpaque(data).takeUnretainedValue()
                .note(isWrite == 1, type, UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }

    static func detach(_ ssl: OpaquePointer) {
        SSL_set_msg_callback(ssl, nil)
        copenssl_set_data(ssl, nil)
    }

    /// A line of the form of SSLKEYLOGFILE: label, the client's random, the secret.
    private func note(_ line: UnsafePointer<CChar>) {
        guard let space = strrchr(line, 0x20) else { return }
        if strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0 {
            clientSecret = TLSSecret(hex: space + 1)
        } else if strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0 {
            serverSecret = TLSSecret(hex: space + 1)
        }
    }

    /// A record's header, or a message. The traffic secrets begin behind each side's Finished (RFC 8446 §7.3).
    private func note(_ isWrite: Bool, _ type: Int32, _ bytes: UnsafeRawBufferPointer) {
        if type == SSL3_RT_HEADER {
            if isWrite { sent += 1 } else { received += 1 }
        } else if type == SSL3_RT_INNER_CONTENT_TYPE {
            if !isWrite, isFinishedByClient, bytes.first == UInt8(SSL3_RT_HANDSHAKE) { hasLaterMessage = true }
        } else if type == SSL3_RT_HANDSHAKE, bytes.first == UInt8(SSL3_MT_FINISHED) {
            if isWrite {
                sent = 0
            } else {
                received = 0
                isFinishedByClient = true
            }
        }
    }

    /// Whether OpenSSL has no byte of a record that it did not give out. `SSL_has_pending` sees whole records and what was read ahead,
    /// also a part of a header; it does not see a header that OpenSSL has taken, and counted, while it waits for the body: then it is
    /// reading a body ("RB", `SSL_rstate_string`), and no more a header ("RH").
    static func holdsNothing(_ ssl: OpaquePointer) -> Bool {
        SSL_has_pending(ssl) == 0 && SSL_rstate_string(ssl).map { strcmp($0, "RH") == 0 } == true
    }

    /// The records of a server's connection from here on; nil when they must stay with OpenSSL.
    ///
    /// OpenSSL must hold no byte in either direction (``holdsNothing(_:)``): the records start at a header, by its number.
    func records(of ssl: OpaquePointer, lower: SocketLayer?) -> TLSRecordLayer? {
        guard !hasLaterMessage, SSL_version(ssl) == TLS1_3_VERSION, SSL_is_init_finished(ssl) == 1, let suite = TLSSuite.of(ssl),
            let clientSecret, let serverSecret
        else { return nil }
        return TLSRecordLayer(
            suite, reading: clientSecret, received: received, writing: serverSecret, sent: sent, lower: lower)
    }
}
