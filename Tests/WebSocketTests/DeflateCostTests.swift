import Bytes
import Testing

@testable import WebSocket

/// What compression may cost: memory, and work that does not pay.
@Suite struct DeflateCostTests {
    private static func send(_ endpoint: inout WebSocketEndpoint, _ kind: MessageKind, _ message: [UInt8]) throws -> [UInt8] {
        var output = ByteBuffer()
        try message.withUnsafeBytes { try endpoint.send(kind, $0, into: &output) }
        return output.array
    }

    private static let event = Array("{\"type\":\"response.output_text.delta\",\"sequence_number\":12,\"delta\":\"word\"}".utf8)

    private static func isCompressed(_ frame: [UInt8]) -> Bool { frame[0] & 0x40 != 0 }

    @Test func nothingIsMadeBeforeItIsUsedAndNothingStaysAfterTheEnd() throws {
        let extensions = NegotiatedExtensions(
            deflate: DeflateRoundTripTests.agreement(windowBits: 11, memoryLevel: 2, minMessageBytes: 64))
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        #expect(!Self.isCompressed(try Self.send(&server, .text, Array("short".utf8))))
        #expect(server.deflateMemoryByteCount == 0)
        #expect(Self.isCompressed(try Self.send(&server, .text, Self.event)))
        // 2^11 x 4 of window and chains, 2^11 of hash table and symbols, 6 KiB of zlib's own tables.
        #expect((12_000...17_000).contains(server.deflateMemoryByteCount), "\(server.deflateMemoryByteCount)")
        var output = ByteBuffer()
        server.close(.normal, into: &output)
        #expect(server.deflateMemoryByteCount == 0)
    }

    @Test func withoutTakeoverNothingStaysBetweenMessages() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement(keepsContext: false))
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        var client = WebSocketEndpoint(role: .client, extensions: extensions)
        var frame = try Self.send(&server, .text, Self.event)
        #expect(Self.isCompressed(frame))
        #expect(server.deflateMemoryByteCount == 0)
        frame.withUnsafeMutableBytes { frame in
            var unused = ByteBuffer()
            var input = frame
            while client.next(&input, output: &unused) != nil {}
        }
        #expect(client.deflateMemoryByteCount == 0)
    }

    /// 64 MiB of zeros in 64 KiB: refused when little more than what is allowed was made of it.
    @Test func aBombCostsNoMoreThanTheLimit() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var client = WebSocketEndpoint(role: .client, extensions: extensions)
        // By fragments: a whole message of this size would not be compressed.
        var sent = ByteBuffer()
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        try zeros.withUnsafeBytes { zeros in
            try client.startMessage(.binary, zeros, into: &sent)
            for _ in 2..<64 { try client.continueMessage(zeros, into: &sent) }
            try client.endMessage(zeros, into: &sent)
        }
        var bomb = sent.array
        #expect(bomb.count < 70_000)
        var server = WebSocketEndpoint(role: .server, limits: WebSocketLimits(maxMessageBytes: 1 << 20), extensions: extensions)
        bomb.withUnsafeMutableBytes { bomb in
            var output = ByteBuffer()
            var input = bomb
            for _ in 0..<4 {
                guard let event = server.next(&input, output: &output) else { continue }
                guard case .closed(let closed) = event else { break }
                #expect(closed.violation == .messageTooBig(maxMessageBytes: 1 << 20))
                return
            }
            Issue.record("the bomb was taken")
        }
        #expect(server.deflateMemoryByteCount == 0)
    }

    /// A few bytes that become very many let others have their turn, and come to the same message.
    @Test func aLargeMessageIsInflatedByAndBy() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var client = WebSocketEndpoint(role: .client, extensions: extensions)
        var sent = ByteBuffer()
        let words = Array(repeatElement(Array("over and over ".utf8), count: 1 << 16).joined())
        try words.withUnsafeBytes { words in
            try client.startMessage(.text, words, into: &sent)
            for _ in 0..<2 { try client.continueMessage(words, into: &sent) }
            try client.endMessage(words, into: &sent)
            try client.ping(UnsafeRawBufferPointer(rebasing: words.prefix(4)), into: &sent)
        }
        var bytes = sent.array
        #expect(bytes.count < 32_000)
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        bytes.withUnsafeMutableBytes { bytes in
            var output = ByteBuffer()
            var input = bytes
            var events: [Int] = []
            var turns = 0
            while !input.isEmpty {
                let before = server.heldByteCount
                turns += 1
                while let event = server.next(&input, output: &output) {
                    switch event {
                    case .text(let text): events.append(text.count)
                    case .ping(let payload): events.append(payload.count)
                    default: Issue.record("\(event)")
                    }
                }
                // What is held counts the buffer's room, which doubles.
                #expect(server.heldByteCount <= before * 2 + (1 << 20), "turn \(turns)")
            }
            #expect(events == [4 * words.count, 4])
            #expect(turns >= 4 * words.count / (1 << 20) && turns > 4, "\(turns)")
        }
    }

    /// The inflater's own view of it: one byte beyond the limit is made, not more.
    @Test func theInflaterStopsAtTheLimit() throws {
        var compressor = Compressor(DeflateRoundTripTests.agreement().outgoing)
        var bomb = ByteBuffer()
        let zeros = [UInt8](repeating: 0, count: 8 << 20)
        let takes = compressor.takes(.binary, byteCount: nil)
        #expect(takes)
        zeros.withUnsafeBytes { compressor.deflate($0, UnsafeRawBufferPointer(start: nil, count: 0), into: &bomb) }
        var inflater = Inflater(DeflateAgreement.Incoming(windowBits: 15, keepsContext: true), ReceiverScratch())
        var message = ByteBuffer()
        do {
            try inflater.inflate(bomb.bytes, into: &message, maxMessageBytes: 100_000)
            Issue.record("the bomb was taken")
        } catch {
            #expect(error == .messageTooBig(maxMessageBytes: 100_000))
        }
        let (count, capacity) = (message.count, message.capacity)
        #expect(count == 100_001)
        #expect(capacity < 1 << 18)
    }

    @Test func whatDoesNotShrinkIsTriedEverMoreSeldom() throws {
        var random = SeededGenerator(seed: 1)
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        var compressed = 0
        for _ in 0..<2_000 {
            let noise = (0..<500).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            if Self.isCompressed(try Self.send(&server, .binary, noise)) { compressed += 1 }
            // The other kind is judged by itself.
            #expect(Self.isCompressed(try Self.send(&server, .text, Self.event)))
        }
        #expect((1...20).contains(compressed), "\(compressed)")
        // What shrinks again is found out within 256 messages, and then always compressed.
        for _ in 0..<257 { _ = try Self.send(&server, .binary, Self.event) }
        #expect(Self.isCompressed(try Self.send(&server, .binary, Self.event)))
        #expect(Self.isCompressed(try Self.send(&server, .binary, Self.event)))
    }

    @Test func whatWouldHoldUpTheLoopGoesAsItIsAndTheWindowStays() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var endpoint = WebSocketEndpoint(role: .server, extensions: extensions)
        let limit = Compressor.maxMessageByteCount
        let short = Array("the same words over and over, the same words over and over, the same words".utf8)
        let first = try Self.send(&endpoint, .text, short)
        #expect(Self.isCompressed(first))
        #expect(try Self.isCompressed(Self.send(&endpoint, .text, [UInt8](repeating: 97, count: limit))))
        let long = try Self.send(&endpoint, .text, [UInt8](repeating: 97, count: limit + 1))
        #expect(!Self.isCompressed(long) && long.count == limit + 11)
        #expect(try Self.isCompressed(Self.send(&endpoint, .text, short)))
    }

    @Test func controlFramesAreNeverCompressed() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement(minMessageBytes: 0))
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        var output = ByteBuffer()
        try Self.event.withUnsafeBytes { try server.ping($0, into: &output) }
        #expect(output.array.prefix(2) == [0x89, UInt8(Self.event.count)])
        output.clear()
        try Self.event.withUnsafeBytes { try server.pong($0, into: &output) }
        #expect(output.array.prefix(2) == [0x8A, UInt8(Self.event.count)])
        output.clear()
        server.close(.normal, reason: String(decoding: Self.event, as: UTF8.self), into: &output)
        #expect(output.array[0] == 0x88)
    }

    @Test func onlyTheFirstFragmentSaysThatItIsCompressed() throws {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var server = WebSocketEndpoint(role: .server, extensions: extensions)
        var first = ByteBuffer()
        var middle = ByteBuffer()
        var last = ByteBuffer()
        try Self.event.withUnsafeBytes { event in
            try server.startMessage(.text, event, into: &first)
            try server.continueMessage(event, into: &middle)
            try server.endMessage(UnsafeRawBufferPointer(start: nil, count: 0), into: &last)
        }
        #expect([first.array[0], middle.array[0], last.array[0]] == [0x41, 0x00, 0x80])
        // Nothing came since the last flush: an empty block, of which the end is left out.
        #expect(last.array == [0x80, 0x01, 0x00])
    }
}
