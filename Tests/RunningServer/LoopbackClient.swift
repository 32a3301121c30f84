import Glibc
import LoopbackServer
package import Network

/// A client of a server on this machine, with one connection. It blocks, and gives up after a minute.
package final class LoopbackClient {
    package struct Answer {
        package let status: Int
        /// Names in lower case.
        package let fields: [String: String]
        package let body: String
    }

    private let socket: RawSocket

    package init(to address: SocketAddress) throws {
        socket = try RawSocket(to: address, timeoutSeconds: 60)
        var isOn: Int32 = 1
        setsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
    }

    package func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

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
        let lines = try take(through: "\r\n\r\n").split(separator: "\r\n")
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
    package func rest() throws -> String { try take(through: "\r\n0\r\n\r\n") }

    private func take(_ count: Int) throws -> [UInt8] {
        let bytes = try socket.receive(exactly: count)
        guard bytes.count == count else { throw RawSocket.Failure(call: "recv", code: 0) }
        return bytes
    }

    private func take(through end: String) throws -> String {
        let text = try socket.receive(through: end)
        guard text.hasSuffix(end) else { throw RawSocket.Failure(call: "recv", code: 0) }
        return text
    }
}
