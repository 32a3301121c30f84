import Foundation
import Glibc
import Synchronization

/// A blocking server on loopback, a thread for each connection, that does to clients whatever a test wants.
final class HTTPClientServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let accepted = Mutex(0)
    private let handler: @Sendable (HTTPClientPeer) -> Void

    var connectionCount: Int { accepted.withLock { $0 } }
    var url: String { "http://127.0.0.1:\(port)" }

    init(_ handler: @escaping @Sendable (HTTPClientPeer) -> Void) {
        self.handler = handler
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = listener
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(socket, pointer, length)
                _ = listen(socket, 256)
                _ = getsockname(socket, pointer, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                if descriptor < 0 {
                    close(listener)
                    return
                }
                let number = accepted.withLock { count in
                    count += 1
                    return count
                }
                Thread.detachNewThread { [handler] in
                    let peer = HTTPClientPeer(descriptor: descriptor, number: number)
                    handler(peer)
                    peer.close()
                }
            }
        }
    }

    /// The thread that accepts closes the listener: closed here, its number could be another server's by the next accept.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// A port on which nobody listens.
    static func freePort() -> UInt16 {
        let server = HTTPClientServer { _ in }
        defer { server.stop() }
        return server.port
    }
}

/// The server's end of a connection.
final class HTTPClientPeer {
    /// 1 for the server's first connection.
    let number: Int
    private let descriptor: Int32
    private var received: [UInt8] = []
    private var isClosed = false

    init(descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    /// Head and body of the next request; nil at the end of the connection.
    func readRequest() -> (head: String, bodyByteCount: Int)? {
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
                let length =
                    head.lowercased().split(separator: "\r\n").compactMap { line in
                        line.hasPrefix("content-length: ") ? Int(line.dropFirst(16)) : nil
                    }.first ?? 0
                while received.count < end.upperBound + length { if !fill() { return nil } }
                received.removeFirst(end.upperBound + length)
                return (head, length)
            }
            if !fill() { return nil }
        }
    }

    func send(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { return }
            bytes = bytes.dropFirst(sent)
        }
    }

    func sendStreamHead(_ fields: String = "") {
        send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\(fields)\r\n")
    }

    func sendChunk(_ text: String) { send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n") }

    func respond(_ body: String) { send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)") }

    /// Reads until the client closes or resets; the moment is CLOCK_MONOTONIC.
    func waitForClose() -> ContinuousClock.Instant {
        while fill() {}
        return .now
    }

    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        if !isClosed { Glibc.close(descriptor) }
        isClosed = true
    }

    private func fill() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { received += buffer[..<count] }
        return count > 0
    }
}
