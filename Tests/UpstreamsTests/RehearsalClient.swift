import Bytes
import Glibc
import HTTP
import JSON
import Logging
import Network

@testable import Upstreams

/// A blocking HTTP client for one connection: what it asks and reads is told step by step.
final class RehearsalClient {
    struct Answer {
        var status = 0
        var fields = HeaderFields()
        var body: [UInt8] = []
        /// The body came to its proper end.
        var isWhole = false
        /// Why reading ended early: errno, 0 for the peer's close, nil if it did not.
        var failure: Int32?

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
        /// The `data` of the events, in order.
        var data: [String] {
            var parser = ServerSentEventParser()
            return body.withUnsafeBytes { bytes in
                var input = bytes
                var data: [String] = []
                while let event = try? parser.next(&input) { data.append(event.dataText) }
                return data
            }
        }
        var types: [String] { text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) } }
        /// The JSON of the events; those that are none are null.
        var events: [JSONValue] { data.map { (try? JSONValue.parse($0)) ?? .null } }
        /// The words of a stream of either dialect.
        var tokens: [String] {
            events.compactMap { event in
                let token = event["choices"]?[0]?["delta"]?["content"]?.string ?? event["delta"]?["text"]?.string
                return token.flatMap { $0.isEmpty ? nil : $0 }
            }
        }
    }

    private(set) var descriptor: Int32

    init(_ rehearsal: Rehearsal, receiveBufferByteCount: Int32? = nil) throws {
        guard case .tcp(_, let port) = rehearsal.address else { throw SystemCallErrorOfTest(code: 0) }
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var count = receiveBufferByteCount { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &count, 4) }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if code != 0 { throw SystemCallErrorOfTest(code: errno) }
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func send(_ method: String, _ path: String, _ body: String = "") {
        let text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { return }
            bytes = bytes.dropFirst(sent)
        }
    }

    /// Reads one answer, or so much of it that `enough` is true of its body.
    func read(until enough: (String) -> Bool = { _ in false }) -> Answer {
        var answer = Answer()
        var parser = ResponseParser()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !answer.isWhole, answer.failure == nil, !enough(answer.text) {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 {
                answer.failure = count == 0 ? 0 : errno
                break
            }
            buffer[..<count].withUnsafeBytes { bytes in
                var input = bytes
                parsing: while let event = try? parser.next(&input) {
                    switch event {
                    case .needsMoreBytes: break parsing
                    case .head(let head):
                        answer.status = head.status.code
                        answer.fields = head.fields
                    case .body(let part): answer.body += part
                    case .end:
                        answer.isWhole = true
                        break parsing
                    }
                }
            }
        }
        return answer
    }

    func ask(_ method: String, _ path: String, _ body: String = "") -> Answer {
        send(method, path, body)
        return read()
    }
}

struct SystemCallErrorOfTest: Error { let code: Int32 }

/// A rehearsal model that runs for one test.
func withRehearsal(_ body: (Rehearsal) async throws -> Void) async throws {
    let rehearsal = try await Rehearsal.start(
        address: .tcp(host: "127.0.0.1", port: 0), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    defer { rehearsal.stop() }
    try await body(rehearsal)
}

extension Rehearsal {
    /// Asks on a connection of its own.
    func ask(_ method: String, _ path: String, _ body: String = "") throws -> RehearsalClient.Answer {
        try RehearsalClient(self).ask(method, path, body)
    }

    /// Statistics once they are as expected, or after two seconds.
    func stats(where isExpected: (JSONValue) -> Bool) async throws -> JSONValue {
        var stats = JSONValue.null
        for _ in 0..<400 {
            stats = try ask("GET", "/stats").json
            if isExpected(stats) { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        return stats
    }
}

/// The body of a chat completion with one user message.
func rehearsalBody(_ prompt: String, stream: Bool = true, _ more: JSONObject = [:]) -> String {
    var body: JSONObject = [
        "model": "rehearsal", "stream": JSONValue(stream), "messages": [["role": "user", "content": .string(prompt)]],
    ]
    for (key, value) in more { body[key] = value }
    return body.description
}
