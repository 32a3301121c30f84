import Glibc
import Network

/// A server's record layer and a client that seals what it likes, with a socket pair between them.
final class RecordPeer {
    let layer: TLSRecordLayer
    private(set) var sealer: TLSRecordCipher
    private var opener: TLSRecordCipher
    private let near: Int32
    let far: Int32
    private var unread: [UInt8] = []

    struct Unusable: Error {}

    init(_ suite: TLSSuite = .aes128GCM, sendBuffer: Int32? = nil) throws {
        let byteCount = suite == .aes256GCM ? 48 : 32
        let secrets = ["3c", "a9"].map { String(repeating: $0, count: byteCount) }
        func secret(_ index: Int) throws -> TLSSecret {
            guard let secret = TLSSecret(hex: secrets[index]) else { throw Unusable() }
            return secret
        }
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0,
            let layer = TLSRecordLayer(suite, reading: try secret(0), received: 7, writing: try secret(1), sent: 2),
            let sealer = TLSRecordCipher.make(suite, try secret(0), seals: true, number: 7),
            let opener = TLSRecordCipher.make(suite, try secret(1), seals: false, number: 2)
        else { throw Unusable() }
        (near, far) = (pair[0], pair[1])
        if var sendBuffer { setsockopt(near, SOL_SOCKET, SO_SNDBUF, &sendBuffer, socklen_t(MemoryLayout<Int32>.size)) }
        self.layer = layer
        self.sealer = sealer
        self.opener = opener
    }

    deinit {
        close(near)
        close(far)
    }

    // MARK: The client

    func sealed(_ type: UInt8, _ content: [UInt8], padding: Int = 0) -> [UInt8] {
        // Padding stands behind the type: to the cipher it is the other way round.
        let inner = padding == 0 ? content : content + [type] + [UInt8](repeating: 0, count: padding - 1)
        var record = [UInt8](repeating: 0, count: inner.count + TLSRecord.overhead)
        let isSealed = inner.withUnsafeBytes { inner in
            record.withUnsafeMutableBytes { $0.baseAddress.map { sealer.seal(padding == 0 ? type : 0, inner, into: $0) } ?? false }
        }
        return isSealed ? record : []
    }

    func data(_ text: String, padding: Int = 0) -> [UInt8] { sealed(23, Array(text.utf8), padding: padding) }

    func keyUpdate(_ request: UInt8) -> [UInt8] {
        let record = sealed(22, [24, 0, 0, 1, request])
        return sealer.update() ? record : []
    }

    /// For a KeyUpdate that was sealed by other means.
    func renewSealer() { _ = sealer.update() }

    func write(_ bytes: [UInt8]) { _ = Glibc.send(far, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// The records that came: type and content. Follows the server's keys.
    func records() -> [Received] {
        var chunk = [UInt8](repeating: 0, count: 1 << 17)
        while true {
            let count = recv(far, &chunk, chunk.count, 0)
            if count <= 0 { break }
            unread += chunk[..<count]
        }
        var received: [Received] = []
        while unread.count >= TLSRecord.headerByteCount {
            let length = Int(unread[3]) << 8 | Int(unread[4])
            let total = TLSRecord.headerByteCount + length
            if unread.count < total { break }
            let isOpened = unread.withUnsafeMutableBytes { $0.baseAddress.map { opener.open($0, length) } ?? false }
            let inner = unread[TLSRecord.headerByteCount..<(total - TLSRecord.tagByteCount)]
            received.append(Received(type: isOpened ? inner.last ?? 0 : 0, content: Array(inner.dropLast())))
            if inner.last == 22, !opener.update() { return [] }
            unread.removeFirst(total)
        }
        return received
    }

    struct Received: Equatable {
        var type: UInt8
        var content: [UInt8]
    }

    // MARK: The server

    /// What one call gives: content, "end", "again" or "failed".
    func receive() -> String {
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { layer.receive(near, $0, bytes.count) } ?? -1
        }
        if count > 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
        if count == 0 { return "end" }
        return errno == EAGAIN ? "again" : errno == EPROTO ? "failed" : "errno \(errno)"
    }

    func send(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { layer.send(near, $0, bytes.count) } ?? -1 }
    }

    func closeOutput() -> Int { layer.closeOutput(near) }
}
