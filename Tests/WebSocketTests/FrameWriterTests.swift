import Bytes
import Testing

@testable import WebSocket

@Suite struct FrameWriterTests {
    private static func view(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try bytes.withUnsafeBytes(body)
    }

    @Test(arguments: [
        (0, "8100"), (1, "8101"), (125, "817d"), (126, "817e007e"), (65_535, "817effff"),
        (65_536, "817f0000000000010000"),
    ])
    func lengthsTakeTheShortestForm(byteCount: Int, header: String) throws {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        let payload = [UInt8](repeating: 0x61, count: byteCount)
        try Self.view(payload) { try writer.appendMessage(.text, $0, into: &output) }
        #expect(output.array == WireVector.hexBytes(header) + payload)

        var headerAlone = ByteBuffer()
        let key = try writer.appendHeader(.text, payloadByteCount: byteCount, into: &headerAlone)
        #expect(key == nil)
        #expect(headerAlone.array == WireVector.hexBytes(header))
    }

    @Test func fragmentsAndControlFramesBetween() throws {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        try Self.view([0x61]) { try writer.startMessage(.binary, $0, into: &output) }
        try Self.view([0x62]) { try writer.appendPing($0, into: &output) }
        try Self.view([0x63]) { try writer.continueMessage($0, into: &output) }
        try Self.view([]) { try writer.endMessage($0, into: &output) }
        try Self.view([0x64]) { try writer.appendPong($0, into: &output) }
        #expect(output.array == WireVector.hexBytes("020161 890162 000163 8000 8a0164"))
    }

    @Test func fragmentsOutOfOrderAreRefusedAndWriteNothing() {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        Self.view([0x61]) { view in
            #expect(throws: SendError.noMessageOpen) { try writer.continueMessage(view, into: &output) }
            #expect(throws: SendError.noMessageOpen) { try writer.endMessage(view, into: &output) }
            #expect(throws: Never.self) { try writer.startMessage(.text, view, into: &output) }
            let byteCount = output.count
            #expect(throws: SendError.messageOpen) { try writer.startMessage(.text, view, into: &output) }
            #expect(throws: SendError.messageOpen) { try writer.appendMessage(.text, view, into: &output) }
            #expect(throws: SendError.messageOpen) {
                try writer.appendHeader(.text, payloadByteCount: 1, into: &output)
            }
            #expect(output.array.count == byteCount)
        }
    }

    @Test func controlPayloadsAreLimited() {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        Self.view([UInt8](repeating: 1, count: 126)) { view in
            let expected = SendError.controlPayloadTooLong(byteCount: 126)
            #expect(throws: expected) { try writer.appendPing(view, into: &output) }
            #expect(throws: expected) { try writer.appendPong(view, into: &output) }
        }
        #expect(output.array == [])
    }

    @Test func closeFrames() {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        writer.appendClose(.goingAway, reason: "bye", into: &output)
        writer.appendClose(nil, reason: "needs a code", into: &output)
        writer.appendClose(.abnormal, into: &output)
        #expect(output.array == WireVector.hexBytes("880503e9627965 8800 8800"))
    }

    @Test func longCloseReasonsAreCutBetweenCharacters() {
        var writer = FrameWriter(role: .server)
        var output = ByteBuffer()
        writer.appendClose(.normal, reason: String(repeating: "語", count: 60), into: &output)
        #expect(output.array.count == 2 + 2 + 123)
        output.clear()
        writer.appendClose(.normal, reason: "ab" + String(repeating: "語", count: 60), into: &output)
        #expect(output.array.count == 2 + 2 + 122)
        #expect(EchoPeer.read(output.array, as: .client) == ["close 1000"])
    }

    @Test func clientFramesAreMaskedWithFreshKeys() throws {
        var writer = FrameWriter(role: .client)
        var output = ByteBuffer()
        var keys: Set<[UInt8]> = []
        for _ in 0..<200 {
            output.clear()
            try Self.view(Array("Hello".utf8)) { try writer.appendMessage(.text, $0, into: &output) }
            keys.insert(Array(output.array[2..<6]))
            #expect(EchoPeer.read(output.array, as: .server) == ["text 48656c6c6f"])
        }
        #expect(keys.count > 190)
    }

    /// A payload in two pieces under one header, masked by the caller.
    @Test(arguments: [Role.server, .client])
    func headerAloneFramesAPayloadInPieces(role: Role) throws {
        var writer = FrameWriter(role: role)
        var output = ByteBuffer()
        let key = try writer.appendHeader(.text, payloadByteCount: 7, into: &output)
        var first = Array("Hel".utf8)
        var second = Array("lo!!".utf8)
        first.withUnsafeMutableBytes { key?.apply(to: $0) }
        second.withUnsafeMutableBytes { key?.apply(to: $0, payloadOffset: 3) }
        output.append(first)
        output.append(second)
        #expect(EchoPeer.read(output.array, as: role == .server ? .client : .server) == ["text 48656c6c6f2121"])
    }
}
