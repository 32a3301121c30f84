import Bytes
import WebSocket

/// An endpoint that echoes. Options: 0 for the usual limits, else a message limit of that many bytes.
///
/// The same events and replies however the bytes are cut, and those that ``WebSocketReference`` finds; nothing after the last
/// event; every reply is well-formed, and the other end reads in it what was sent.
func fuzzWebSocket(_ data: UnsafeRawBufferPointer, role: Role) {
    let (options, bytes) = data.optionsAndInput
    let limits = WebSocketLimits(maxMessageBytes: options == 0 ? 16 << 20 : Int(options))
    let read = sameHoweverCut(bytes) { echo(bytes, $0, role, limits) }
    let expected = WebSocketReference(bytes, role, maxMessageBytes: limits.maxMessageBytes).trace
    check(read == expected, "read:\(read)\n-- but RFC 6455 says:\(expected)")
}

/// - Parameter extensions: agreed on; the peer's are those with which it reads the replies.
func echo(
    _ bytes: UnsafeRawBufferPointer, _ ends: [Int], _ role: Role, _ limits: WebSocketLimits,
    extensions: (own: NegotiatedExtensions, peer: NegotiatedExtensions) = (.none, .none)
) -> Trace {
    var trace = Trace()
    var sent = Trace()
    var output = ByteBuffer()
    var endpoint = WebSocketEndpoint(role: role, limits: limits, extensions: extensions.own)
    var isClosed = false
    eachPiece(bytes, ends) { piece in
        var input = piece
        while let event = nextWithinBounds(&endpoint, &input, &output, limits) {
            check(!isClosed, "an event after the last one")
            switch event {
            case .text(let payload):
                check(String(validating: payload, as: UTF8.self) != nil, "text that is no UTF-8")
                check(payload.count <= limits.maxMessageBytes, "a message beyond its limit")
                trace.event("text", payload)
                sent.event("text", payload)
                check((try? endpoint.send(.text, payload, into: &output)) != nil, "an open endpoint does not send")
            case .binary(let payload):
                check(payload.count <= limits.maxMessageBytes, "a message beyond its limit")
                trace.event("binary", payload)
                sent.event("binary", payload)
                check((try? endpoint.send(.binary, payload, into: &output)) != nil, "an open endpoint does not send")
            case .ping(let payload):
                check(payload.count <= 125, "a long ping")
                trace.event("ping", payload)
                sent.event("pong", payload)
            case .pong(let payload):
                check(payload.count <= 125, "a long pong")
                trace.event("pong", payload)
            case .closed(let closed):
                isClosed = true
                if let violation = closed.violation {
                    trace.event("failed", "\(violation.closeCode)")
                } else {
                    trace.event("closed", "\(closed.code) \(closed.reason)")
                }
                let code = closed.violation?.closeCode ?? closed.code
                sent.event("close", "\(code)")
            }
        }
        check(input.isEmpty, "input was left unread")
        check((endpoint.transportAction != .keepOpen) == isClosed, "closed and yet open")
        return true
    }
    checkReplies(output.mutableBytes, to: role, extensions.peer, sent)
    if isClosed {
        check(endpoint.deflateMemoryByteCount == 0, "an ended connection holds compression")
        let byteCount = output.count
        check((try? endpoint.send(.text, UnsafeRawBufferPointer(start: nil, count: 0), into: &output)) == nil, "sent after the end")
        endpoint.close(.normal, into: &output)
        check(endpoint.transportEnded() == nil && output.count == byteCount, "something after the end")
    }
    return trace
}

/// Of the heap now, in bytes: the address sanitizer's.
@_extern(c, "__sanitizer_get_current_allocated_bytes")
private func allocatedByteCount() -> Int

/// The next event, for which no more memory was taken than a message and compression may have: twice the limit, since a buffer that
/// grows doubles, and what zlib says that it needs with the largest settings (its own `zconf.h`: 44 KiB to inflate, 384 KiB and a bit
/// to deflate).
private func nextWithinBounds(
    _ endpoint: inout WebSocketEndpoint, _ input: inout UnsafeMutableRawBufferPointer, _ output: inout ByteBuffer,
    _ limits: WebSocketLimits
) -> EndpointEvent? {
    let before = allocatedByteCount()
    var event: EndpointEvent?
    repeat { event = endpoint.next(&input, output: &output) } while event == nil && !input.isEmpty
    let taken = allocatedByteCount() - before
    check(taken <= 2 * limits.maxMessageBytes + 64 << 10, "took \(taken) bytes for a message of at most \(limits.maxMessageBytes)")
    check(endpoint.deflateMemoryByteCount <= 448 << 10, "compression holds \(endpoint.deflateMemoryByteCount) bytes")
    return event
}

/// The next event; what is inflated by and by is handed in until it is used up.
func next(_ receiver: inout Receiver, _ input: inout UnsafeMutableRawBufferPointer) throws(ProtocolViolation) -> ReceivedEvent? {
    repeat {
        if let event = try receiver.next(&input) { return event }
    } while !input.isEmpty
    return nil
}

/// Checks that the other end reads what was written.
private func checkReplies(
    _ output: UnsafeMutableRawBufferPointer, to role: Role, _ extensions: NegotiatedExtensions, _ sent: Trace
) {
    var trace = Trace()
    var receiver = Receiver(role: role == .server ? .client : .server, extensions: extensions)
    var input = output
    do throws(ProtocolViolation) {
        while let event = try next(&receiver, &input) { record(event, &trace) }
    } catch {
        check(false, "a reply breaks the protocol: \(error)")
    }
    check(trace == sent, "read:\(trace)\n-- but sent:\(sent)")
}

func record(_ event: ReceivedEvent, _ trace: inout Trace) {
    switch event {
    case .text(let payload): trace.event("text", payload)
    case .binary(let payload): trace.event("binary", payload)
    case .ping(let payload): trace.event("ping", payload)
    case .pong(let payload): trace.event("pong", payload)
    case .close(let code, _): trace.event("close", "\(code ?? .noStatusReceived)")
    }
}

/// The input as a program for the writer: an operation, a length, payload. The other end must read exactly that.
func fuzzFrameWriter(_ data: UnsafeRawBufferPointer) {
    let (options, program) = data.optionsAndInput
    let role: Role = options & 1 == 0 ? .server : .client
    var writer = FrameWriter(role: role)
    var output = ByteBuffer()
    var expected = Trace()
    var message: [UInt8]?
    var position = 0
    while position + 2 < program.count {
        let operation = program[position]
        // Lengths on both sides of each form.
        let byteCount = Int(program[position + 1]) * (operation & 0x80 != 0 ? 300 : 1)
        let content = [UInt8](repeating: program[position + 2], count: byteCount)
        position += 3
        content.withUnsafeBytes { content in
            do throws(SendError) {
                switch operation & 7 {
                case 0, 1:
                    try writer.appendMessage(.binary, content, into: &output)
                    check(message == nil, "a message within another")
                    expected.event("binary", content)
                case 2:
                    try writer.startMessage(.binary, content, into: &output)
                    check(message == nil, "a message within another")
                    message = Array(content)
                case 3:
                    try writer.continueMessage(content, into: &output)
                    check(message != nil, "a continuation of nothing")
                    message?.append(contentsOf: content)
                case 4:
                    try writer.endMessage(content, into: &output)
                    check(message != nil, "an end of nothing")
                    let whole = (message ?? []) + content
                    message = nil
                    whole.withUnsafeBytes { expected.event("binary", $0) }
                case 5:
                    try writer.appendPing(content, into: &output)
                    expected.event("ping", content)
                default:
                    try writer.appendPong(content, into: &output)
                    expected.event("pong", content)
                }
            } catch {
                let isOrder = error == .messageOpen || error == .noMessageOpen
                check(isOrder ? operation & 7 <= 4 : content.count > 125, "refused without cause: \(error)")
            }
        }
    }
    let written = UnsafeRawBufferPointer(output.bytes)
    let read = sameHoweverCut(written) { ends in
        var trace = Trace()
        var receiver = Receiver(role: role == .server ? .client : .server)
        eachPiece(written, ends) { piece in
            var input = piece
            do throws(ProtocolViolation) {
                while let event = try next(&receiver, &input) { record(event, &trace) }
                return true
            } catch {
                trace.event("violation", "\(error)")
                return false
            }
        }
        return trace
    }
    check(read == expected, "read:\(read)\n-- but written:\(expected)")
}
