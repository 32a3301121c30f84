import Bytes
import Testing

@testable import WebSocket

/// Two endpoints of ours with everything chosen at random: what one sends is what the other gets.
@Suite struct DeflateRoundTripTests {
    @Test func randomMessagesSettingsFragmentsAndReads() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for round in 0..<120 {
            let (client, server) = try Self.handshake(&random)
            for (role, sender, receiver) in [(Role.client, client, server), (.server, server, client)] {
                let link = Link(sender: role, sending: sender, receiving: receiver)
                for _ in 0..<Int.random(in: 1...12, using: &random) { try link.sendOne(&random) }
                link.deliver(&random)
                #expect(link.received == link.sent, "seed \(seed), round \(round)")
            }
        }
    }

    /// A peer with a window of 2^8 gets zlib's of 2^9, which must never look back further than 2^8.
    @Test func aWindowOf256Bytes() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for level in 1...9 {
            let agreement = DeflateAgreement(
                DeflateOptions(windowBits: 15, compressionLevel: level, minMessageBytes: 1), maxOutgoingWindowBits: 8,
                keepsOutgoingContext: true, incomingWindowBits: 8, keepsIncomingContext: true)
            let extensions = NegotiatedExtensions(deflate: agreement)
            let link = Link(sender: .server, sending: extensions, receiving: extensions)
            // Few different words: everything has been there before, at every distance.
            let words = (0..<6).map { _ in (0..<7).map { _ in UInt8.random(in: 97...122, using: &random) } }
            for _ in 0..<300 {
                let message = (0..<Int.random(in: 1...8, using: &random)).flatMap { _ in words.randomElement(using: &random) ?? [] }
                try link.send(.text, message)
            }
            link.deliver(&random, pieces: 1...1)
            #expect(link.received == link.sent, "seed \(seed), level \(level)")
            #expect(link.wireByteCount < link.sentByteCount)
        }
    }

    @Test func twoPiecesAreOneMessage() throws {
        for role in [Role.server, .client] {
            let extensions = NegotiatedExtensions(deflate: Self.agreement(minMessageBytes: 20))
            var sender = WebSocketEndpoint(role: role, extensions: extensions)
            var receiver = WebSocketEndpoint(role: role == .server ? .client : .server, extensions: extensions)
            for (payload, suffix) in [
                ("a", "b"), ("", ""), ("a long enough beginning", ""), ("", "a long enough end"), ("{\"x\":1", ",\"sequence\":42}"),
            ] {
                var output = ByteBuffer()
                try Array(payload.utf8).withUnsafeBytes { payload in
                    try Array(suffix.utf8).withUnsafeBytes { try sender.send(.text, payload, suffix: $0, into: &output) }
                }
                var unused = ByteBuffer()
                var input = output.mutableBytes
                guard case .text(let text) = receiver.next(&input, output: &unused) else {
                    Issue.record("no text came")
                    return
                }
                #expect(String(decoding: text, as: UTF8.self) == payload + suffix)
            }
        }
    }

    // Helpers

    static func agreement(
        windowBits: Int = 15, memoryLevel: Int = 8, minMessageBytes: Int = 1, keepsContext: Bool = true
    ) -> DeflateAgreement {
        DeflateAgreement(
            DeflateOptions(windowBits: windowBits, memoryLevel: memoryLevel, minMessageBytes: minMessageBytes),
            maxOutgoingWindowBits: 15, keepsOutgoingContext: keepsContext, incomingWindowBits: windowBits,
            keepsIncomingContext: keepsContext)
    }

    private static func options(_ random: inout SeededGenerator) -> DeflateOptions {
        DeflateOptions(
            windowBits: Int.random(in: 9...15, using: &random), memoryLevel: Int.random(in: 1...9, using: &random),
            compressionLevel: Int.random(in: 1...9, using: &random), minMessageBytes: Int.random(in: 0...100, using: &random),
            keepsOutgoingContext: Bool.random(using: &random), keepsIncomingContext: Bool.random(using: &random))
    }

    private static func handshake(_ random: inout SeededGenerator) throws -> (NegotiatedExtensions, NegotiatedExtensions) {
        let client = ClientHandshake(deflate: options(&random))
        let acceptance = try ServerHandshake(deflate: options(&random)).accept(
            HandshakeRequest(method: "GET", httpMinorVersion: 1, fields: client.fields + [(name: "Host", value: "localhost")]))
        let outcome = try client.validate(HandshakeResponse(status: 101, httpMinorVersion: 1, fields: acceptance.fields))
        return (outcome.extensions, acceptance.extensions)
    }

    /// One direction of a connection, with a record of both ends.
    final class Link {
        private(set) var sent: [[UInt8]] = []
        private(set) var received: [[UInt8]] = []
        private(set) var sentByteCount = 0
        private var wire = ByteBuffer()
        var wireByteCount: Int { wireTotal + wire.count }
        private var wireTotal = 0
        private var sender: WebSocketEndpoint
        private var receiver: WebSocketEndpoint

        init(sender role: Role, sending: NegotiatedExtensions, receiving: NegotiatedExtensions) {
            sender = WebSocketEndpoint(role: role, extensions: sending)
            receiver = WebSocketEndpoint(role: role == .server ? .client : .server, extensions: receiving)
        }

        func send(_ kind: MessageKind, _ message: [UInt8]) throws {
            sent.append(message)
            sentByteCount += message.count
            try message.withUnsafeBytes { try sender.send(kind, $0, into: &wire) }
        }

        func sendOne(_ random: inout SeededGenerator) throws {
            let message = Self.message(&random)
            if Bool.random(using: &random) {
                try send(.binary, message)
                return
            }
            sent.append(message)
            var rest = message[...]
            func piece() -> [UInt8] {
                let piece = Array(rest.prefix(Int.random(in: 0...max(1, message.count / 2), using: &random)))
                rest = rest.dropFirst(piece.count)
                return piece
            }
            try piece().withUnsafeBytes { try sender.startMessage(.binary, $0, into: &wire) }
            while Bool.random(using: &random) {
                try piece().withUnsafeBytes { try sender.continueMessage($0, into: &wire) }
                if Bool.random(using: &random) {
                    try sender.ping(UnsafeRawBufferPointer(start: nil, count: 0), into: &wire)
                }
            }
            try Array(rest).withUnsafeBytes { try sender.endMessage($0, into: &wire) }
        }

        private static func message(_ random: inout SeededGenerator) -> [UInt8] {
            let count = Int.random(in: 0...(Bool.random(using: &random) ? 60 : 70_000), using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            case 1: return [UInt8](repeating: 0x61, count: count)
            default:
                let event = Array("{\"type\":\"response.output_text.delta\",\"sequence_number\":12,\"delta\":\"word\"}".utf8)
                return (0..<count).map { event[$0 % event.count] }
            }
        }

        func deliver(_ random: inout SeededGenerator, pieces: ClosedRange<Int> = 1...5_000) {
            let bytes = wire.array
            wireTotal += bytes.count
            wire.clear()
            var rest = bytes[...]
            var unused = ByteBuffer()
            while !rest.isEmpty {
                var piece = Array(rest.prefix(Int.random(in: pieces, using: &random)))
                rest = rest.dropFirst(piece.count)
                piece.withUnsafeMutableBytes { piece in
                    var input = piece
                    repeat {
                        switch receiver.next(&input, output: &unused) {
                        case .text(let message), .binary(let message): received.append(Array(message))
                        case .ping, .pong, nil: break
                        case .closed(let closed): Issue.record("\(closed)")
                        }
                    } while !input.isEmpty
                }
            }
        }
    }
}
