import Bytes

@testable import WebSocket

/// An endpoint that sends every message back, and a record of what it saw.
final class EchoPeer {
    private(set) var events: [String] = []
    private(set) var output = ByteBuffer()
    private(set) var takenByteCount = 0
    /// How many bytes had been taken when the connection failed.
    private(set) var failedAfterBytes: Int?
    private var endpoint: WebSocketEndpoint
    private let role: Role
    private let extensions: NegotiatedExtensions

    init(
        role: Role = .server, limits: WebSocketLimits = WebSocketLimits(), extensions: NegotiatedExtensions = .none
    ) {
        self.role = role
        self.extensions = extensions
        endpoint = WebSocketEndpoint(role: role, limits: limits, extensions: extensions)
    }

    convenience init(_ vector: WireVector) {
        self.init(
            role: vector.role == "client" ? .client : .server,
            limits: WebSocketLimits(maxMessageBytes: vector.maxMessageBytes ?? 16 << 20))
    }

    var deflateMemoryByteCount: Int { endpoint.deflateMemoryByteCount }
    var action: TransportAction { endpoint.transportAction }

    func take(_ bytes: some Collection<UInt8>) {
        // The exact size and a fresh place each time: reading beyond the end shows under the address sanitizer.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        var input = copy
        takenByteCount += bytes.count
        var leftByteCount: Int
        repeat {
            leftByteCount = input.count
            while let event = endpoint.next(&input, output: &output) { handle(event) }
        } while !input.isEmpty && input.count < leftByteCount
        if !input.isEmpty { events.append("left \(input.count) bytes of input") }
    }

    private func handle(_ event: EndpointEvent) {
        do {
            switch event {
            case .text(let payload):
                events.append("text \(WireVector.hex(payload))")
                try endpoint.send(.text, payload, into: &output)
            case .binary(let payload):
                events.append("binary \(WireVector.hex(payload))")
                try endpoint.send(.binary, payload, into: &output)
            case .ping(let payload): events.append("ping \(WireVector.hex(payload))")
            case .pong(let payload): events.append("pong \(WireVector.hex(payload))")
            case .closed(let closed):
                if let violation = closed.violation {
                    failedAfterBytes = takenByteCount
                    events.append("failed \(violation.name)")
                } else {
                    let reason = WireVector.hex(closed.reason.utf8)
                    events.append("closed \(closed.code)" + (reason.isEmpty ? "" : " \(reason)"))
                }
            }
        } catch {
            events.append("could not send: \(error)")
        }
    }

    /// What the other end reads in the output so far.
    func replies() -> [String] {
        // What this end sends is what the other takes.
        let incoming = extensions.deflate.map {
            DeflateAgreement.Incoming(windowBits: $0.outgoing.windowBits, keepsContext: $0.outgoing.keepsContext)
        }
        var mirrored = extensions
        if let incoming { mirrored.deflate?.incoming = incoming }
        return Self.read(output.array, as: role == .server ? .client : .server, mirrored)
    }

    /// The frames in `bytes`, read by an endpoint of the given role.
    static func read(_ bytes: [UInt8], as role: Role, _ extensions: NegotiatedExtensions = .none) -> [String] {
        var bytes = bytes
        var lines: [String] = []
        var receiver = Receiver(role: role, extensions: extensions)
        bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            do {
                while let event = try receiver.next(&input) {
                    switch event {
                    case .text(let payload): lines.append("text \(WireVector.hex(payload))")
                    case .binary(let payload): lines.append("binary \(WireVector.hex(payload))")
                    case .ping(let payload): lines.append("ping \(WireVector.hex(payload))")
                    case .pong(let payload): lines.append("pong \(WireVector.hex(payload))")
                    case .close(let code, _): lines.append("close \(code ?? .noStatusReceived)")
                    }
                }
            } catch {
                lines.append("violation \(error)")
            }
        }
        return lines
    }
}

extension ProtocolViolation {
    /// The name of the case, as the vectors write it.
    fileprivate var name: String {
        switch self {
        case .unmaskedClientFrame: "unmaskedClientFrame"
        case .maskedServerFrame: "maskedServerFrame"
        case .reservedBits: "reservedBits"
        case .reservedOpcode: "reservedOpcode"
        case .fragmentedControlFrame: "fragmentedControlFrame"
        case .controlPayloadTooLong: "controlPayloadTooLong"
        case .lengthNotMinimal: "lengthNotMinimal"
        case .lengthHighBitSet: "lengthHighBitSet"
        case .unexpectedContinuation: "unexpectedContinuation"
        case .messageInsideMessage: "messageInsideMessage"
        case .truncatedCloseCode: "truncatedCloseCode"
        case .invalidCloseCode: "invalidCloseCode"
        case .closeReasonNotUTF8: "closeReasonNotUTF8"
        case .textNotUTF8: "textNotUTF8"
        case .messageTooBig: "messageTooBig"
        case .corruptDeflate: "corruptDeflate"
        case .noMemoryToInflate: "noMemoryToInflate"
        case .wastefulDeflate: "wastefulDeflate"
        }
    }
}
