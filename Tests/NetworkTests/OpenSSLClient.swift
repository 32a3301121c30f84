import COpenSSL
import Glibc

@testable import Network

/// OpenSSL's own client, which writes to memory and reads from it: what it says can be cut anywhere.
final class OpenSSLClient {
    struct Failure: Error { let step: String }

    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private var secret: TLSSecret?

    init() throws {
        guard let context = SSL_CTX_new(TLS_client_method()), let ssl = SSL_new(context), let incoming = BIO_new(BIO_s_mem()),
            let outgoing = BIO_new(BIO_s_mem())
        else { throw Failure(step: "new") }
        (self.context, self.ssl, self.incoming, self.outgoing) = (context, ssl, incoming, outgoing)
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_connect_state(ssl)
        copenssl_set_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        SSL_CTX_set_keylog_callback(context) { ssl, line in
            guard let ssl, let line, let data = copenssl_data(ssl), let space = strrchr(line, 0x20),
                strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0
            else { return }
            Unmanaged<OpenSSLClient>.fromOpaque(data).takeUnretainedValue().secret = TLSSecret(hex: space + 1)
        }
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    var isShaken: Bool { SSL_is_init_finished(ssl) == 1 }

    func handshake() { _ = SSL_do_handshake(ssl) }

    /// The record, or records, of a text.
    func record(_ text: String) -> [UInt8] {
        _ = SSL_write(ssl, text, Int32(text.utf8.count))
        return take()
    }

    /// A KeyUpdate that is sent with the next record.
    func updateKey() { SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) }

    /// What the client wants to send.
    func take() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = BIO_read(outgoing, &bytes, Int32(bytes.count))
        return Array(bytes[..<Int(max(0, count))])
    }

    /// What the server sent; gives what it says.
    func give(_ bytes: [UInt8]) -> String {
        _ = BIO_write(incoming, bytes, Int32(bytes.count))
        if !isShaken { return "" }
        var text = [UInt8](repeating: 0, count: 1 << 16)
        let count = SSL_read(ssl, &text, Int32(text.count))
        return String(decoding: text[..<Int(max(0, count))], as: UTF8.self)
    }

    /// Seals what OpenSSL would not send, as the first record behind the handshake and those after it.
    func sealer() throws -> TLSRecordCipher {
        guard let secret, let suite = TLSSuite.of(ssl), let sealer = TLSRecordCipher.make(suite, secret, seals: true, number: 0)
        else { throw Failure(step: "sealer") }
        return sealer
    }
}

/// A socket in memory.
final class MemorySocket: SocketLayer {
    var incoming: [UInt8] = []
    var outgoing: [UInt8] = []

    override init() { super.init() }

    override func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int {
        if incoming.isEmpty {
            errno = EAGAIN
            return -1
        }
        let count = min(room, incoming.count)
        base.copyMemory(from: incoming, byteCount: count)
        incoming.removeFirst(count)
        return count
    }

    override func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
        outgoing += UnsafeRawBufferPointer(start: base, count: count)
        return count
    }
}
