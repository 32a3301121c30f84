import Glibc
package import Network

/// A client of a server on this machine, with one connection. It blocks, and gives up after ten seconds.
package final class LoopbackClient {
    struct Failure: Error {
        let call: String
        let code: Int32
    }

    package struct Answer {
        package let status: Int
        /// Names in lower case.
        package let fields: [String: String]
        package let body: String
    }

    private let descriptor: Int32
    private var received: [UInt8] = []

    package init(to address: SocketAddress) throws {
        guard case .tcp(_, let port) = address else { throw Failure(call: "address", code: 0) }
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if code != 0 { throw Failure(call: "connect", code: errno) }
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var isOn: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    package func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 { throw Failure(call: "send", code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    // MARK: HTTP

    package func send(_ method: String, _ path: String, fields: [String] = [], body: String? = nil) throws {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1"] + fields
        if let body { lines += ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"] }
        try send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")).utf8))
    }

    package func ask(_ method: String, _ path: String, fields: [String] = [], body: String? = nil) throws -> Answer {
        try send(method, path, fields: fields, body: body)
        return try answer(hasBody: method != "HEAD")
    }

    package func answer(hasBody: Bool = true) throws -> Answer {
        let lines = String(decoding: try take(through: Array("\r\n\r\n".utf8)), as: UTF8.self).split(separator: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased()] = parts[1].trimmingPrefix(" ").description
        }
        let status = Int(lines[0].split(separator: " ")[1]) ?? 0
        let byteCount = hasBody && status >= 200 && status != 204 ? Int(fields["content-length"] ?? "") ?? 0 : 0
        return Answer(status: status, fields: fields, body: String(decoding: try take(byteCount), as: UTF8.self))
    }

    // MARK: WebSocket

    /// Sends a handshake; the answer is 101 when it has succeeded.
    package func upgrade(_ path: String, fields: [String] = []) throws -> Answer {
        try ask(
            "GET", path,
            fields: [
                "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ] + fields)
    }

    /// Sends a text of less than 126 bytes.
    package func send(text: String) throws { try send(frame: 1, Array(text.utf8)) }

    package func send(frame opcode: UInt8, _ payload: [UInt8]) throws {
        let key: [UInt8] = [1, 2, 3, 4]
        try send([0x80 | opcode, 0x80 | UInt8(payload.count)] + key + payload.enumerated().map { $1 ^ key[$0 % 4] })
    }

    /// The next frame: a text, or `close` with its code.
    package func frame() throws -> String {
        let head = try take(2)
        var count = Int(head[1])
        if count >= 126 { count = try take(count == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) } }
        let payload = try take(count)
        guard head[0] & 0xF == 8 else { return String(decoding: payload, as: UTF8.self) }
        return "close \(Int(payload[0]) << 8 | Int(payload[1]))"
    }

    // MARK: Bytes

    /// Everything to the end of a chunked answer, chunk by chunk.
    package func rest() throws -> String { String(decoding: try take(through: Array("\r\n0\r\n\r\n".utf8)), as: UTF8.self) }

    private func take(_ count: Int) throws -> [UInt8] {
        while received.count < count { if try !fill() { throw Failure(call: "recv", code: 0) } }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    private func take(through end: [UInt8]) throws -> [UInt8] {
        while true {
            if let range = received.firstRange(of: end) { return try take(range.upperBound) }
            if try !fill() { throw Failure(call: "recv", code: 0) }
        }
    }

    private func fill() throws -> Bool {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count < 0 { throw Failure(call: "recv", code: errno) }
        received += bytes[..<count]
        return count > 0
    }
}
