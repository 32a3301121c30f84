import Bytes
import WebSocket

/// An endpoint that echoes, with compression as an arbitrary handshake agreed on it.
///
/// Input: a byte of limits (0: 64 KiB, else so many bytes, 16 at a time), a byte that chooses our options, a line that is the
/// client's `Sec-WebSocket-Extensions`, then frames: as they are, or in the short form of ``framesFromShortForm(_:role:)``.
/// Client and server must understand each other's handshake. Then the events are those of ``WebSocketReference``, which inflates
/// each message as a whole, and the replies are read by the other end; however the bytes are cut; within bounds of memory.
func fuzzDeflate(_ data: UnsafeRawBufferPointer, role: Role) {
    guard data.count > 2, let lineEnd = data[2...].firstIndex(of: 0x0A) else { return }
    let limits = WebSocketLimits(maxMessageBytes: data[0] == 0 ? 64 << 10 : Int(data[0]) * 16)
    let choice = DeflateChoice(bits: data[1])
    let offer = String(decoding: data[2..<lineEnd], as: UTF8.self)
    guard let agreed = choice.handshake(offer: offer) else { return }
    let rest = UnsafeRawBufferPointer(rebasing: data[(lineEnd + 1)...])
    let frames = choice.isShortForm ? framesFromShortForm(rest, role: role) : Array(rest)
    let extensions = role == .server ? (own: agreed.server, peer: agreed.client) : (own: agreed.client, peer: agreed.server)
    let deflate = DeflateReference(agreed.parameters, role: role)
    frames.withUnsafeBytes { frames in
        let expected = WebSocketReference(frames, role, maxMessageBytes: limits.maxMessageBytes, deflate: deflate).trace
        for way in [[frames.count]] + waysToCut(frames) {
            let read = echo(frames, way, role, limits, extensions: extensions)
            if read == expected { continue }
            let isWithin = deflate?.isExact == false && read.withoutFailure.map(expected.starts) == true
            check(isWithin, "\(agreed.parameters ?? "plain"), cut at \(way):\(read)\n-- but the RFCs say:\(expected)")
        }
    }
}

/// Everything about our side of a handshake that one byte can choose.
private struct DeflateChoice {
    let options: DeflateOptions
    let isShortForm: Bool

    init(bits: UInt8) {
        options = DeflateOptions(
            windowBits: 9 + Int(bits & 7) % 7, memoryLevel: bits & 0x40 == 0 ? 1 : 9, minMessageBytes: 1,
            keepsOutgoingContext: bits & 8 == 0, keepsIncomingContext: bits & 0x10 == 0)
        isShortForm = bits & 0x20 == 0
    }

    /// - Returns: what each end made of it, and the server's answer; nil when the request is refused.
    func handshake(offer: String) -> (server: NegotiatedExtensions, client: NegotiatedExtensions, parameters: String?)? {
        let client = ClientHandshake(deflate: DeflateOptions(minMessageBytes: 1))
        let fields = client.fields.filter { $0.name != "Sec-WebSocket-Extensions" }
        let request = HandshakeRequest(
            method: "GET", httpMinorVersion: 1,
            fields: fields + [(name: "Host", value: "localhost"), (name: "Sec-WebSocket-Extensions", value: offer)])
        guard let acceptance = try? ServerHandshake(deflate: options).accept(request) else { return nil }
        let response = HandshakeResponse(status: 101, httpMinorVersion: 1, fields: acceptance.fields)
        guard let outcome = try? client.validate(response) else {
            check(false, "our client does not take our server's \(acceptance.extensionResponse ?? "nothing")")
            return nil
        }
        check(outcome.extensions.hasDeflate == acceptance.extensions.hasDeflate, "one end compresses")
        return (acceptance.extensions, outcome.extensions, acceptance.extensionResponse)
    }
}

/// Frames with right lengths and the peer's mask, so that what is tried is DEFLATE: a byte is the frame's first, one the number of
/// bytes that follow.
private func framesFromShortForm(_ bytes: UnsafeRawBufferPointer, role: Role) -> [UInt8] {
    var frames: [UInt8] = []
    var position = 0
    while position + 2 <= bytes.count {
        let byteCount = min(Int(bytes[position + 1]), bytes.count - position - 2)
        frames += [bytes[position], (role == .server ? 0x80 : 0) | UInt8(min(byteCount, 126))]
        if byteCount > 125 { frames += [0, UInt8(byteCount)] }
        if role == .server { frames += [0, 0, 0, 0] }
        frames += bytes[(position + 2)..<(position + 2 + byteCount)]
        position += 2 + byteCount
    }
    return frames
}

/// The input as a program for two ends that agreed on compression: what one sends is exactly what the other gets.
///
/// A byte chooses the sender, one each end's options; then operations: a byte, a length, and what the message is made of.
func fuzzDeflateWriter(_ data: UnsafeRawBufferPointer) {
    guard data.count > 3 else { return }
    let server = DeflateOptions.chosen(by: data[1], minMessageBytes: 1)
    let client = DeflateOptions.chosen(by: data[2], minMessageBytes: 32)
    let handshake = ClientHandshake(deflate: client)
    let request = HandshakeRequest(
        method: "GET", httpMinorVersion: 1, fields: handshake.fields + [(name: "Host", value: "localhost")])
    guard let acceptance = try? ServerHandshake(deflate: server).accept(request),
        let outcome = try? handshake.validate(
            HandshakeResponse(status: 101, httpMinorVersion: 1, fields: acceptance.fields))
    else {
        check(false, "our ends do not understand each other")
        return
    }
    let role: Role = data[0] & 1 == 0 ? .server : .client
    let ends = role == .server ? (acceptance.extensions, outcome.extensions) : (outcome.extensions, acceptance.extensions)
    var writer = DeflateProgram(role: role, extensions: ends.0)
    writer.run(UnsafeRawBufferPointer(rebasing: data[3...]))
    let written = UnsafeRawBufferPointer(writer.output.bytes)
    let read = sameHoweverCut(written) { pieceEnds in
        var trace = Trace()
        var receiver = Receiver(role: role == .server ? .client : .server, extensions: ends.1)
        eachPiece(written, pieceEnds) { piece in
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
    check(read == writer.expected, "read:\(read)\n-- but written:\(writer.expected)")
}

extension DeflateOptions {
    fileprivate static func chosen(by bits: UInt8, minMessageBytes: Int) -> DeflateOptions {
        DeflateOptions(
            windowBits: 9 + Int(bits & 7) % 7, memoryLevel: bits & 0x20 == 0 ? 1 : 9, compressionLevel: bits & 0x40 == 0 ? 1 : 9,
            minMessageBytes: minMessageBytes, keepsOutgoingContext: bits & 8 == 0, keepsIncomingContext: bits & 0x10 == 0)
    }
}

/// Writes messages and remembers them.
private struct DeflateProgram: ~Copyable {
    private var writer: FrameWriter
    private(set) var output = ByteBuffer()
    private(set) var expected = Trace()
    private var open: [UInt8]?

    init(role: Role, extensions: NegotiatedExtensions) { writer = FrameWriter(role: role, extensions: extensions) }

    mutating func run(_ program: UnsafeRawBufferPointer) {
        var position = 0
        while position + 2 <= program.count {
            let operation = program[position]
            let byteCount = min(Int(program[position + 1] & 0x7F), program.count - position - 2)
            let source = program[(position + 2)..<(position + 2 + byteCount)]
            position += 2 + byteCount
            // Repeated, so that it shrinks, and is longer than small windows.
            var content: [UInt8] = []
            for _ in 0...Int(operation >> 4) * (operation & 8 == 0 ? 1 : 20) { content += source }
            do throws(SendError) {
                try write(operation & 7, content)
            } catch {
                check(false, "refused: \(error)")
            }
        }
        if open != nil { try? write(4, []) }
    }

    private mutating func write(_ operation: UInt8, _ content: [UInt8]) throws(SendError) {
        var bytes = ByteBuffer()
        bytes.append(content)
        switch (operation, open) {
        case (0...4, nil) where operation < 3:
            try writer.appendMessage(.binary, bytes.bytes, into: &output)
            expected.event("binary", bytes.bytes)
        case (0...4, nil):
            try writer.startMessage(.binary, bytes.bytes, into: &output)
            open = content
        case (0...3, let start?):
            try writer.continueMessage(bytes.bytes, into: &output)
            open = start + content
        case (4, let start?):
            try writer.endMessage(bytes.bytes, into: &output)
            open = nil
            (start + content).withUnsafeBytes { expected.event("binary", $0) }
        default:
            let payload = UnsafeRawBufferPointer(rebasing: bytes.bytes.prefix(125))
            try writer.appendPing(payload, into: &output)
            expected.event("ping", payload)
        }
    }
}
