import Bytes
import Testing

@testable import WebSocket

@Suite struct WebSocketEndpointTests {
    /// Feeds bytes and throws the events away but the last.
    private static func feed(
        _ text: String, _ endpoint: inout WebSocketEndpoint, _ output: inout ByteBuffer
    ) -> (count: Int, closed: ConnectionClosed?) {
        var bytes = WireVector.hexBytes(text)
        return bytes.withUnsafeMutableBytes { bytes in
            var input = bytes
            var count = 0
            var closed: ConnectionClosed?
            while let event = endpoint.next(&input, output: &output) {
                count += 1
                if case .closed(let how) = event { closed = how }
            }
            return (count, closed)
        }
    }
    private static var none: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
    private static let ping1 = "898100000000" + "31"
    private static let ping2 = "898100000000" + "32"
    private static let text = "818100000000" + "61"
    private static let close1000 = "888200000000" + "03e8"

    @Test func theServerHalfClosesAfterThePeersClose() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        let (_, closed) = Self.feed("888500000000" + "03e8627965", &endpoint, &output)
        #expect(closed == ConnectionClosed(code: .normal, reason: "bye", wasClean: true))
        #expect(output.array == WireVector.hexBytes("880203e8"))
        #expect(endpoint.transportAction == .halfCloseAndLinger)
        let again = endpoint.transportEnded()
        #expect(again == nil)
        #expect(endpoint.transportAction == .drop)
    }

    @Test func theClientLeavesTheFirstCloseOfTCPToTheServer() {
        var endpoint = WebSocketEndpoint(role: .client)
        var output = ByteBuffer()
        let (_, closed) = Self.feed("880203e9", &endpoint, &output)
        #expect(closed == ConnectionClosed(code: .goingAway, reason: "", wasClean: true))
        #expect(endpoint.transportAction == .awaitPeerClose)
    }

    @Test func aCloseStartedHereEndsWithThePeersClose() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        endpoint.close(.serviceRestart, reason: "deploy", into: &output)
        endpoint.close(.normal, into: &output)
        #expect(EchoPeer.read(output.array, as: .client) == ["close 1012"])
        #expect(endpoint.state == .closing)
        #expect(endpoint.transportAction == .keepOpen)
        output.clear()
        #expect(throws: SendError.connectionClosing) { try endpoint.send(.text, Self.none, into: &output) }
        #expect(throws: SendError.connectionClosing) { try endpoint.ping(Self.none, into: &output) }
        let before = Self.feed(Self.text + Self.ping1, &endpoint, &output)
        #expect(before.count == 0 && output.array == [])
        let (_, closed) = Self.feed(Self.close1000, &endpoint, &output)
        #expect(closed == ConnectionClosed(code: .normal, reason: "", wasClean: true))
        #expect(output.array == [])
        #expect(endpoint.transportAction == .halfCloseAndLinger)
    }

    /// What comes after our close frame costs nobody else anything: least of all what a few bytes would inflate to.
    @Test(arguments: [1, 2, 3, 7, 1000]) func messagesThatComeWhileClosingAreNotLookedInto(pieceByteCount: Int) {
        let extensions = NegotiatedExtensions(deflate: DeflateRoundTripTests.agreement())
        var endpoint = WebSocketEndpoint(role: .server, extensions: extensions)
        var output = ByteBuffer()
        endpoint.close(.goingAway, into: &output)
        output.clear()
        // A compressed message whose bytes are none, a fragment, text that is not UTF-8, a ping, a message behind a fragment.
        let dropped = "c18300000000ffffff" + "018200000000ffff" + "818200000000ffff" + Self.ping1 + "828100000000ff"
        let bytes = WireVector.hexBytes(dropped + Self.close1000)
        var closed: ConnectionClosed?
        for start in stride(from: 0, to: bytes.count, by: pieceByteCount) {
            var piece = Array(bytes[start..<min(start + pieceByteCount, bytes.count)])
            piece.withUnsafeMutableBytes {
                var input = $0
                while let event = endpoint.next(&input, output: &output) {
                    if case .closed(let how) = event { closed = how } else { Issue.record("an event while closing") }
                }
            }
            #expect(endpoint.deflateMemoryByteCount == 0)
        }
        #expect(closed == ConnectionClosed(code: .normal, reason: "", wasClean: true))
        #expect(output.array == [])
    }

    @Test func ourCloseInTheMiddleOfThePeersMessageGivesItsMemoryBack() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        _ = Self.feed("01fe100000000000" + String(repeating: "61", count: 4096), &endpoint, &output)
        #expect(endpoint.heldByteCount >= 4096)
        endpoint.close(.goingAway, into: &output)
        _ = Self.feed("80810000000061", &endpoint, &output)
        #expect(endpoint.heldByteCount == 0)
        let (_, closed) = Self.feed(Self.close1000, &endpoint, &output)
        #expect(closed?.wasClean == true)
    }

    @Test func aMessageThatWasDeliveredHoldsNoMemoryBehindTheNextHeadersFirstByte() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        let half = String(repeating: "61", count: 20_000)
        _ = Self.feed("01fe4e2000000000" + half, &endpoint, &output)
        let whole = Self.feed("80fe4e2000000000" + half + "81", &endpoint, &output)
        #expect(whole.count == 1)
        #expect(endpoint.heldByteCount == 0)
        let next = Self.feed("810000000061", &endpoint, &output)
        #expect(next.count == 1)
    }

    @Test func aViolationWhileClosingSendsNoSecondClose() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        endpoint.close(.normal, into: &output)
        output.clear()
        let (_, closed) = Self.feed("8300", &endpoint, &output)
        #expect(closed?.violation == .reservedOpcode(3))
        #expect(closed?.wasClean == false)
        #expect(output.array == [])
        #expect(endpoint.transportAction == .halfCloseAndLinger)
    }

    @Test func aViolationIsAnsweredWithItsCodeAndAReason() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        let (_, closed) = Self.feed(Self.text + "810161" + Self.text, &endpoint, &output)
        #expect(closed?.violation == .unmaskedClientFrame)
        #expect(closed?.code == .abnormal && closed?.wasClean == false)
        let reason = Array("client frames must be masked".utf8)
        #expect(output.array == [0x88, UInt8(2 + reason.count), 0x03, 0xEA] + reason)
        #expect(endpoint.transportAction == .halfCloseAndLinger)
    }

    @Test func aLostTransportIsAbnormal() {
        var endpoint = WebSocketEndpoint(role: .server)
        let first = endpoint.transportEnded()
        let second = endpoint.transportEnded()
        #expect(first == ConnectionClosed(code: .abnormal, reason: "", wasClean: false))
        #expect(second == nil)
        #expect(endpoint.transportAction == .drop)
    }

    @Test func whileBackedUpOnlyTheLatestPingIsAnswered() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        endpoint.outputBackedUp()
        let seen = Self.feed(Self.ping1 + Self.ping1 + Self.ping2, &endpoint, &output)
        #expect(seen.count == 3)
        #expect(output.array == [])
        endpoint.outputDrained(into: &output)
        #expect(output.array == WireVector.hexBytes("8a0132"))
        output.clear()
        _ = Self.feed(Self.ping1 + Self.ping2, &endpoint, &output)
        #expect(output.array == WireVector.hexBytes("8a0131 8a0132"))
    }

    @Test func aPingFloodWithoutReadingStaysBounded() {
        var endpoint = WebSocketEndpoint(role: .server, limits: WebSocketLimits(maxUnsentBytesBeforePongsWait: 100))
        var output = ByteBuffer()
        for _ in 0..<1000 { _ = Self.feed(Self.ping1, &endpoint, &output) }
        #expect(output.array.count <= 103)
        output.clear()
        _ = Self.feed("", &endpoint, &output)
        #expect(output.array == WireVector.hexBytes("8a0131"))
    }

    @Test func aWaitingPongIsForgottenWhenTheConnectionCloses() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        endpoint.outputBackedUp()
        _ = Self.feed(Self.ping1 + Self.close1000, &endpoint, &output)
        endpoint.outputDrained(into: &output)
        #expect(output.array == WireVector.hexBytes("880203e8"))
    }

    @Test func noPongFollowsACloseStartedHere() {
        var endpoint = WebSocketEndpoint(role: .server)
        var output = ByteBuffer()
        endpoint.outputBackedUp()
        _ = Self.feed(Self.ping1, &endpoint, &output)
        endpoint.close(.normal, into: &output)
        endpoint.outputDrained(into: &output)
        #expect(output.array == WireVector.hexBytes("880203e8"))
    }

    /// Two endpoints, random messages in random pieces, both directions of masking.
    @Test(arguments: [Role.client, .server])
    func whatOneEndSendsTheOtherEndReads(sender role: Role) throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        var sender = WebSocketEndpoint(role: role)
        let receiver = EchoPeer(role: role == .client ? .server : .client)
        var wire = ByteBuffer()
        var sent: [String] = []
        for _ in 0..<150 {
            let isText = Bool.random(using: &random)
            let sizes = [0, 1, 20, 125, 126, 700, 66_000]
            let size = sizes[Int.random(in: 0..<(Int.random(in: 0..<30, using: &random) == 0 ? 7 : 6), using: &random)]
            let payload: [UInt8] =
                isText
                ? Array(String((0..<(size / 3)).map { _ in "aé語🙂".randomElement(using: &random) ?? "b" }).utf8)
                : (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            try payload.withUnsafeBytes { payload in
                let kind: MessageKind = isText ? .text : .binary
                guard Bool.random(using: &random) else {
                    try sender.send(kind, payload, into: &wire)
                    return
                }
                let cuts = [0, 0].map { _ in Int.random(in: 0...payload.count, using: &random) }.sorted()
                try sender.startMessage(kind, UnsafeRawBufferPointer(rebasing: payload[..<cuts[0]]), into: &wire)
                try sender.ping(Self.none, into: &wire)
                sent.append("ping ")
                try sender.continueMessage(UnsafeRawBufferPointer(rebasing: payload[cuts[0]..<cuts[1]]), into: &wire)
                try sender.endMessage(UnsafeRawBufferPointer(rebasing: payload[cuts[1]...]), into: &wire)
            }
            sent.append("\(isText ? "text" : "binary") \(WireVector.hex(payload))")
            while !wire.isEmpty, Bool.random(using: &random) {
                let byteCount = min(wire.count, [1, 7, 100, 5000, 100_000].randomElement(using: &random) ?? 1)
                receiver.take(wire.array.prefix(byteCount))
                wire.consume(byteCount)
            }
        }
        sender.close(.normal, reason: "done", into: &wire)
        receiver.take(wire.array)
        sent.append("closed 1000 \(WireVector.hex("done".utf8))")
        #expect(receiver.events == sent, "seed \(seed)")
        let replies = receiver.replies()
        let expected = sent.map { (line: String) -> String in
            if line == "ping " { return "pong " }
            return line.hasPrefix("closed") ? "close 1000" : line
        }
        #expect(replies == expected, "seed \(seed)")
    }
}
