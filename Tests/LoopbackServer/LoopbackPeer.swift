import Glibc

/// The server's end of a connection.
package final class LoopbackPeer {
    /// 1 for the server's first connection.
    package let number: Int
    private let descriptor: Int32
    private var received: [UInt8] = []
    package private(set) var isClosed = false
    /// Whether the client left while we listened for it.
    package private(set) var sawClose = false

    package struct Request: Sendable {
        package let head: String
        package let body: [UInt8]
        package var bodyByteCount: Int { body.count }
        package var bodyText: String { String(decoding: body, as: UTF8.self) }
    }

    init(descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    /// Head and body of the next request; nil at the end of the connection.
    package func readRequest() -> Request? {
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
                let length =
                    head.lowercased().split(separator: "\r\n").compactMap { line in
                        line.hasPrefix("content-length: ") ? Int(line.dropFirst(16)) : nil
                    }.first ?? 0
                while received.count < end.upperBound + length { if !fill() { return nil } }
                let body = Array(received[end.upperBound..<end.upperBound + length])
                received.removeFirst(end.upperBound + length)
                return Request(head: head, body: body)
            }
            if !fill() { return nil }
        }
    }

    package func send(_ text: String) { send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) {
        var bytes = bytes[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { return }
            bytes = bytes.dropFirst(sent)
        }
    }

    package func sendStreamHead(_ fields: String = "") {
        send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\(fields)\r\n")
    }

    package func sendChunk(_ text: String) { send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n") }

    package func respond(_ body: String) { send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)") }

    /// Reads until the client closes or resets; the moment is CLOCK_MONOTONIC.
    @discardableResult
    package func waitForClose() -> ContinuousClock.Instant {
        while fill() {}
        sawClose = true
        return .now
    }

    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    package func close() {
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
