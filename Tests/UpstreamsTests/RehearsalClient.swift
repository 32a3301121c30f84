import Bytes
import HTTP
import JSON
import Logging
import LoopbackServer
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

    private let socket: RawSocket

    init(_ rehearsal: Rehearsal, receiveBufferByteCount: Int32? = nil) throws {
        socket = try RawSocket(to: rehearsal.address, receiveBufferByteCount: receiveBufferByteCount, timeoutSeconds: 10)
    }

    func close() { socket.close() }

    /// What the server no longer takes is dropped.
    func send(_ method: String, _ path: String, _ body: String = "") {
        try? socket.send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// Reads one answer, or so much of it that `enough` is true of its body.
    func read(until enough: (String) -> Bool = { _ in false }) -> Answer {
        var answer = Answer()
        var parser = ResponseParser()
        while !answer.isWhole, answer.failure == nil, !enough(answer.text) {
            let received: [UInt8]
            do {
                received = try socket.receive()
            } catch {
                answer.failure = (error as? RawSocket.Failure)?.code
                break
            }
            if received.isEmpty {
                answer.failure = 0
                break
            }
            received.withUnsafeBytes { bytes in
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
