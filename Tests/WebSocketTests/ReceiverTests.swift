import Bytes
import Testing

@testable import WebSocket

@Suite struct ReceiverTests {
    @Test func aMessageThatIsWholeInTheInputIsNotCopied() throws {
        var bytes = WireVector.hexBytes("818537fa213d7f9f4d5158")
        var receiver = Receiver(role: .server)
        try bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            guard case .text(let payload) = try receiver.next(&input) else {
                Issue.record("no text")
                return
            }
            #expect(payload.baseAddress == bytes.baseAddress.map { UnsafeRawPointer($0 + 6) })
            #expect(Array(payload) == Array("Hello".utf8))
            let further = try receiver.next(&input)
            if case .some = further { Issue.record("more than was sent") }
        }
    }

    /// RFC 6455 §5.7: a masked and an unmasked "Hello", fragments, and the long lengths.
    @Test(arguments: [
        (Role.client, "810548656c6c6f", ["text 48656c6c6f"]), (.server, "818537fa213d7f9f4d5158", ["text 48656c6c6f"]),
        (.client, "010348656c80026c6f", ["text 48656c6c6f"]), (.client, "890548656c6c6f", ["ping 48656c6c6f"]),
        (.server, "8a8537fa213d7f9f4d5158", ["pong 48656c6c6f"]),
    ])
    func examplesOfTheRFC(role: Role, input: String, events: [String]) {
        #expect(EchoPeer.read(WireVector.hexBytes(input), as: role) == events)
    }

    @Test func afterCloseTheInputIsDropped() throws {
        var bytes = WireVector.hexBytes("880203e8 810161")
        var receiver = Receiver(role: .client)
        try bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            guard case .close(.normal, let reason) = try receiver.next(&input) else {
                Issue.record("no close")
                return
            }
            #expect(reason.isEmpty)
            let further = try receiver.next(&input)
            if case .some = further { Issue.record("more than was sent") }
            #expect(input.isEmpty)
        }
    }

    @Test func afterAViolationNothingIsThrownAgain() {
        var bytes = WireVector.hexBytes("8301618301")
        var receiver = Receiver(role: .client)
        bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            #expect(throws: ProtocolViolation.reservedOpcode(3)) { try receiver.next(&input) }
            #expect(throws: Never.self) { try receiver.next(&input) }
            #expect(input.isEmpty)
        }
    }

    /// The 65,536 fragments of Autobahn 9.3 and beyond: only bytes are limited.
    @Test func theNumberOfFragmentsIsNotLimited() {
        let peer = EchoPeer(limits: WebSocketLimits(maxMessageBytes: 70_000))
        peer.take(WireVector.hexBytes("028100000000" + "61"))
        let fragment = WireVector.hexBytes("008100000000" + "61")
        for _ in 0..<65 { peer.take(Array([[UInt8]](repeating: fragment, count: 1024).joined())) }
        peer.take(WireVector.hexBytes("808000000000"))
        let byteCount = 65 * 1024 + 1
        #expect(peer.events == ["binary " + String(repeating: "61", count: byteCount)])
    }

    @Test func unmaskingAnyPieceIsTheSameAsByteByByte() {
        var random = SeededGenerator(seed: 7)
        let key = MaskingKey(word: UInt32(littleEndian: 0x3D21_FA37))
        let keyBytes: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        for count in Array(0...140) + [1000, 4099] {
            let plain = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            for offset in 0..<5 {
                var masked = plain
                masked.withUnsafeMutableBytes { key.apply(to: $0, payloadOffset: offset) }
                let expected = plain.enumerated().map { (index: Int, byte: UInt8) in
                    byte ^ keyBytes[(index + offset) & 3]
                }
                #expect(masked == expected)
            }
        }
    }
}
