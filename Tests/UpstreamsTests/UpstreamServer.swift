import Foundation
import Glibc
import Synchronization

/// An upstream that does as a test tells it: a blocking server on loopback, a thread for each connection.
final class UpstreamServer: Sendable {
    struct Request: Sendable {
        let head: String
        let body: String
    }

    let port: UInt16
    private let listener: Int32
    private let state = Mutex((requests: [Request](), closesSeen: 0))

    var url: String { "http://127.0.0.1:\(port)/v1" }
    var requests: [Request] { state.withLock { $0.requests } }
    /// Clients that left while the server had more to say.
    var closesSeen: Int { state.withLock { $0.closesSeen } }

    /// - Parameter answer: called for each request, which is the n-th of the server, from 1.
    init(_ answer: @escaping @Sendable (UpstreamPeer, Int) -> Void) {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = listener
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(socket, pointer, length)
                _ = listen(socket, 128)
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
                Thread.detachNewThread { [self] in serve(UpstreamPeer(descriptor: descriptor), answer) }
            }
        }
    }

    private func serve(_ peer: UpstreamPeer, _ answer: (UpstreamPeer, Int) -> Void) {
        while let request = peer.readRequest() {
            let number = state.withLock { state in
                state.requests.append(request)
                return state.requests.count
            }
            answer(peer, number)
            if peer.sawClose { state.withLock { $0.closesSeen += 1 } }
            if peer.isClosed { return }
        }
        peer.close()
    }

    /// The thread that accepts closes the listener: closed here, its number could be another server's by the next accept.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

/// The server's end of a connection.
final class UpstreamPeer {
    private let descriptor: Int32
    private var received: [UInt8] = []
    private(set) var isClosed = false
    private(set) var sawClose = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    func readRequest() -> UpstreamServer.Request? {
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
                let length =
                    head.lowercased().split(separator: "\r\n").compactMap { line in
                        line.hasPrefix("content-length: ") ? Int(line.dropFirst(16)) : nil
                    }.first ?? 0
                while received.count < end.upperBound + length { if !fill() { return nil } }
                let body = String(decoding: received[end.upperBound..<end.upperBound + length], as: UTF8.self)
                received.removeFirst(end.upperBound + length)
                return UpstreamServer.Request(head: head, body: body)
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

    func respond(_ status: Int, _ body: String, contentType: String = "application/json", fields: String = "") {
        send("HTTP/1.1 \(status) X\r\nContent-Type: \(contentType)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    func beginStream() { send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n") }
    func sendChunk(_ text: String) { send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n") }
    func endStream() { send("0\r\n\r\n") }

    /// One event of a chat stream.
    func say(_ text: String, finish: String? = nil) {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        sendChunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},\"finish_reason\":\(reason)}]}\n\n")
    }

    /// A whole answer of two words.
    func answerHelloThere() {
        beginStream()
        say("Hello")
        say(" there", finish: "stop")
        sendChunk("data: [DONE]\n\n")
        endStream()
    }

    /// Waits until the client leaves.
    func waitForClose() {
        while fill() {}
        sawClose = true
        close()
    }

    func cut() {
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
