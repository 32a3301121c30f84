import Bytes
import Testing

@testable import WebSocket

/// Compressed bytes are work, whatever they make.
@Suite struct InflationWorkTests {
    /// A client's frame.
    private static func frame(_ firstByte: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var header: [UInt8] = [firstByte]
        switch payload.count {
        case ..<126: header.append(0x80 | UInt8(payload.count))
        case ..<65_536: header += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: header += [0xFF] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
        }
        // A key of zeros masks nothing.
        return header + [0, 0, 0, 0] + payload
    }

    private static func server() -> WebSocketEndpoint {
        WebSocketEndpoint(role: .server, extensions: NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement()))
    }

    /// Hands `bytes` in by pieces, and again where there is input left.
    /// - Returns: what ended the connection, and how many messages came before.
    private static func feed(_ bytes: [UInt8], to server: inout WebSocketEndpoint) -> (violation: ProtocolViolation?, messages: Int)
    {
        var bytes = bytes
        var violation: ProtocolViolation?
        var messages = 0
        bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            var output = ByteBuffer()
            while !input.isEmpty {
                let left = input.count
                while let event = server.next(&input, output: &output) {
                    switch event {
                    case .text, .binary: messages += 1
                    case .closed(let closed): violation = closed.violation
                    case .ping, .pong: break
                    }
                }
                if violation != nil || input.count == left { return }
            }
        }
        return (violation, messages)
    }

    /// A dynamic block whose only symbol is its end, with the dearest tables that fit in few bytes, found by the bits of RFC 1951 §3.2.7.
    static func emptyDynamicBlock() -> [UInt8] {
        var bits = BitWriter()
        bits.append(0, 1)
        bits.append(2, 2)
        bits.append(0, 5)
        bits.append(0, 5)
        // Code lengths for 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1: only 18 and 1 are used.
        bits.append(14, 4)
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
            bits.append(symbol == 18 || symbol == 1 ? 1 : 0, 3)
        }
        // Codes of one bit: 1 is 0, 18 is 1. 256 zeros: 138 and 118; then the end's length, then the one distance's.
        bits.append(1, 1)
        bits.append(138 - 11, 7)
        bits.append(1, 1)
        bits.append(118 - 11, 7)
        bits.append(0, 1)
        bits.append(0, 1)
        // The end of the block.
        bits.append(0, 1)
        return bits.bytes
    }

    private struct BitWriter {
        var bytes: [UInt8] = []
        private var count = 0

        mutating func append(_ value: Int, _ width: Int) {
            for bit in 0..<width {
                if count % 8 == 0 { bytes.append(0) }
                bytes[count / 8] |= UInt8(value >> bit & 1) << UInt8(count % 8)
                count += 1
            }
        }
    }

    /// Stored blocks of no bytes end at a byte, so that they may follow one another.
    private static let storedBlock: [UInt8] = [0x00, 0x00, 0x00, 0xFF, 0xFF]

    private static func repeated(_ block: [UInt8], byteCount: Int) -> [UInt8] {
        Array(repeatElement(block, count: byteCount / block.count).joined())
    }

    @Test func blocksWithoutContentEndTheConnectionSoon() {
        var server = Self.server()
        let frame = Self.frame(0xC2, Self.repeated(Self.storedBlock, byteCount: 100_000))
        #expect(Self.feed(frame, to: &server).violation == .wastefulDeflate)
        #expect(server.deflatedByteCount < 20_000)
    }

    @Test func aDynamicBlockWithoutAMessageIsBoundTheSame() throws {
        // A block, and a stored one behind it to come back to a byte.
        let block = Self.emptyDynamicBlock() + [0x00, 0x00, 0xFF, 0xFF]
        var server = Self.server()
        let outcome = Self.feed(Self.frame(0xC2, Self.repeated(block, byteCount: 100_000)), to: &server)
        #expect(outcome.violation == .wastefulDeflate)
    }

    @Test func neitherFragmentsNorManyMessagesHideIt() {
        var fragments = Self.frame(0x42, Self.storedBlock)
        for _ in 0..<20_000 { fragments += Self.frame(0x00, Self.storedBlock) }
        var server = Self.server()
        #expect(Self.feed(fragments, to: &server).violation == .wastefulDeflate)
        var messages: [UInt8] = []
        for _ in 0..<1_000 { messages += Self.frame(0xC2, Self.repeated(Self.storedBlock, byteCount: 1_000) + [0x00]) }
        var other = Self.server()
        #expect(Self.feed(messages, to: &other).violation == .wastefulDeflate)
    }

    /// Empty messages, and messages of one byte that are flushed one by one, are what honest senders have.
    @Test func shortMessagesAndFlushesAreNoWaste() {
        var messages: [UInt8] = []
        for _ in 0..<50_000 { messages += Self.frame(0xC1, [0x00]) }
        var server = Self.server()
        let outcome = Self.feed(messages, to: &server)
        #expect(outcome.violation == nil && outcome.messages == 50_000)
        // "a" in a block of fixed codes, and the flush behind it.
        var flushes = Self.frame(0x41, [0x4A, 0x04, 0x00, 0x00, 0x00, 0xFF, 0xFF])
        for _ in 0..<50_000 { flushes += Self.frame(0x00, [0x4A, 0x04, 0x00, 0x00, 0x00, 0xFF, 0xFF]) }
        flushes += Self.frame(0x80, [0x00])
        var other = Self.server()
        let flushed = Self.feed(flushes, to: &other)
        #expect(flushed.violation == nil && flushed.messages == 1)
    }

    @Test func itComesBackAfterAsManyCompressedBytesAsItMayTake() {
        var server = Self.server()
        var bytes = Self.frame(0x42, Self.repeated([0x4A, 0x04, 0x00, 0x00, 0x00, 0xFF, 0xFF], byteCount: 60_000))
        bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            var output = ByteBuffer()
            for limit in [512, 4096, 16 << 10] {
                let before = server.deflatedByteCount
                #expect(server.next(&input, output: &output, maxDeflatedBytes: limit) == nil)
                #expect(Int(server.deflatedByteCount - before) == limit)
            }
        }
    }
}
