import Glibc
import Testing

@testable import Network

/// The change from OpenSSL's records to ours, wherever the network cuts what the client sends.
@Suite struct TLSHandoverTests {
    private let certificates: TestCertificates
    private let context: TLSServerContext

    init() throws {
        certificates = try TestCertificates()
        var settings = TLSSettings(certificates: [try certificates.leaf("a", "DNS:localhost")])
        settings.records = .interject
        context = try TLSServerContext(settings)
    }

    /// A server's layer and OpenSSL's client, of which the end of the handshake has not been sent.
    private struct Meeting {
        let client: OpenSSLClient
        let socket = MemorySocket()
        let layer: SocketLayer
        /// The client's last flight.
        let flight: [UInt8]
        private var isShaken = false

        init(_ context: TLSServerContext) throws {
            client = try OpenSSLClient()
            layer = context.layer(over: socket)
            client.handshake()
            socket.incoming = client.take()
            _ = layer.handshake(-1)
            _ = client.give(socket.outgoing)
            socket.outgoing = []
            client.handshake()
            flight = client.take()
            guard client.isShaken else { throw OpenSSLClient.Failure(step: "handshake") }
        }

        /// What the server has understood when these bytes have come too.
        mutating func come(_ bytes: some Collection<UInt8>) -> String {
            socket.incoming += bytes
            if !isShaken {
                switch layer.handshake(-1) {
                case .done: isShaken = true
                case .wantsRead, .wantsWrite: return ""
                case .failed(let error): return "\(error)"
                }
            }
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 1 << 17)
            while true {
                let count = buffer.withUnsafeMutableBytes { bytes in
                    bytes.baseAddress.map { layer.receive(-1, $0, bytes.count) } ?? -1
                }
                if count > 0 {
                    text += String(decoding: buffer[..<count], as: UTF8.self)
                } else {
                    return count < 0 && errno == EAGAIN ? text : text + "failed: \(layer.failure?.detail ?? "end")"
                }
            }
        }

        /// What the client gets of an answer.
        func answer(_ text: String) -> String {
            let sent = Array(text.utf8).withUnsafeBytes { bytes in
                bytes.baseAddress.map { layer.send(-1, $0, bytes.count) } ?? -1
            }
            defer { socket.outgoing = [] }
            return sent == text.utf8.count ? client.give(socket.outgoing) : "failed"
        }
    }

    /// The end of the handshake and two records, in two pieces.
    @Test func theHandshakeAndTheFirstRecordsMayBeCutAtEachByte() throws {
        let length = try { () throws in
            let meeting = try Meeting(context)
            return meeting.flight.count + meeting.client.record("first ").count + meeting.client.record("second ").count
        }()
        #expect(length > 100)
        for cut in 1...length {
            let before = context.handoverCount
            var meeting = try Meeting(context)
            let stream = meeting.flight + meeting.client.record("first ") + meeting.client.record("second ")
            #expect(stream.count == length)
            let text = meeting.come(stream[..<cut]) + meeting.come(stream[cut...])
            #expect(text == "first second ", "cut behind \(cut) of \(length)")
            #expect(meeting.answer("heard") == "heard", "cut behind \(cut) of \(length)")
            #expect(meeting.come(meeting.client.record("third")) == "third", "cut behind \(cut) of \(length)")
            #expect(context.handoverCount == before + 1, "cut behind \(cut) of \(length)")
            #expect(meeting.answer("again") == "again", "cut behind \(cut) of \(length)")
        }
    }

    @Test(arguments: 1...7) func allMayComeInSmallPieces(_ size: Int) throws {
        var meeting = try Meeting(context)
        let records = ["first ", "", "second ", "third"].flatMap { meeting.client.record($0) }
        let stream = meeting.flight + records
        var text = ""
        for start in stride(from: 0, to: stream.count, by: size) {
            text += meeting.come(stream[start..<min(start + size, stream.count)])
        }
        #expect(text == "first second third")
        #expect(meeting.answer("heard") == "heard")
        #expect(context.handoverCount == 1)
    }

    /// OpenSSL waits for the rest of such a message, which it shows nobody.
    @Test(arguments: 1...4) func aKeyUpdateMayBeCutIntoTwoRecords(_ cut: Int) throws {
        var meeting = try Meeting(context)
        var sealer = try meeting.client.sealer()
        let message: [UInt8] = [24, 0, 0, 1, 0]
        let first = sealed(&sealer, 23, Array("first ".utf8)) + sealed(&sealer, 22, Array(message[..<cut]))
        #expect(meeting.come(meeting.flight + first) == "first ")
        #expect(meeting.come(sealed(&sealer, 22, Array(message[cut...]))) == "")
        let isUpdated = sealer.update()
        #expect(isUpdated)
        #expect(meeting.come(sealed(&sealer, 23, Array("second".utf8))) == "second")
        #expect(meeting.answer("heard") == "heard")
        #expect(context.handoverCount == 0)
    }

    @Test func aKeyUpdateOfOpenSSLsClientMayComeBeforeAndAfter() throws {
        for isFirst in [true, false] {
            var meeting = try Meeting(context)
            var stream = meeting.flight
            if !isFirst { stream += meeting.client.record("first ") }
            meeting.client.updateKey()
            stream += meeting.client.record("by a new key")
            #expect(meeting.come(stream) == (isFirst ? "" : "first ") + "by a new key")
            #expect(meeting.answer("heard") == "heard")
        }
        #expect(context.handoverCount == 0)
    }

    private func sealed(_ sealer: inout TLSRecordCipher, _ type: UInt8, _ content: [UInt8]) -> [UInt8] {
        var record = [UInt8](repeating: 0, count: content.count + TLSRecord.overhead)
        let isSealed = content.withUnsafeBytes { content in
            record.withUnsafeMutableBytes { $0.baseAddress.map { sealer.seal(type, content, into: $0) } ?? false }
        }
        return isSealed ? record : []
    }
}
