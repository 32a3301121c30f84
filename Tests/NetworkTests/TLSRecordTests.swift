import Glibc
import Network
import Testing

/// TLS 1.3's records after the handshake (RFC 8446 §5).
@Suite struct TLSRecordTests {
    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }.compactMap { $0.hexDigitValue.map(UInt8.init) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// RFC 8448 §3: the records behind the handshake of the trace.
    @Test func theTraceOfRFC8448() throws {
        let client = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
        let server = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
        let content = (0..<50).map(UInt8.init)
        for (secret, number, type, content, record) in [
            (
                client, 0, 23, content,
                "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
            ),
            (
                server, 1, 23, content,
                "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"
            ),
            (client, 1, 21, [1, 0], "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"),
            (server, 2, 21, [1, 0], "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"),
        ] as [(String, UInt64, UInt8, [UInt8], String)] {
            let secret = try #require(TLSSecret(hex: secret))
            var sealed = [UInt8](repeating: 0, count: content.count + TLSRecord.overhead)
            guard var sealer = TLSRecordCipher.make(.aes128GCM, secret, seals: true, number: number) else {
                throw RecordPeer.Unusable()
            }
            let isSealed = sealed.withUnsafeMutableBytes { output in
                content.withUnsafeBytes { content in output.baseAddress.map { sealer.seal(type, content, into: $0) } }
            }
            #expect(isSealed == true)
            #expect(sealed == bytes(record))
            guard var opener = TLSRecordCipher.make(.aes128GCM, secret, seals: false, number: number) else {
                throw RecordPeer.Unusable()
            }
            let isOpened = sealed.withUnsafeMutableBytes { record in
                record.baseAddress.map { opener.open($0, record.count - TLSRecord.headerByteCount) }
            }
            #expect(isOpened == true)
            #expect(Array(sealed[5..<(6 + content.count)]) == content + [type])
        }
        #expect(TLSSecret(hex: "9e40") == nil)
        #expect(TLSSecret(hex: String(repeating: "zz", count: 32)) == nil)
    }

    @Test(arguments: TLSSuite.allCases) func contentGoesBothWaysHoweverItIsCut(_ suite: TLSSuite) throws {
        let peer = try RecordPeer(suite)
        let stream =
            peer.data("one ") + peer.data("") + peer.data("two ", padding: 300) + peer.keyUpdate(0) + peer.sealed(21, [1, 90])
            + peer.data("three ")
        let large = peer.data(String(repeating: "x", count: TLSRecord.maxContentByteCount)) + peer.data("end")
        var text = ""
        for piece in stream.map({ [$0] }) + [Array(large[..<9]), Array(large[9..<10_000]), Array(large[10_000...])] {
            peer.write(piece)
            let now = peer.receive()
            if now != "again" { text += now }
        }
        #expect(text == "one two three " + String(repeating: "x", count: TLSRecord.maxContentByteCount) + "end")
        #expect(peer.receive() == "again" && !peer.layer.hasUnread)
        let answer = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
        var sent = 0
        while sent < answer.count { sent += peer.send(answer[sent...]) }
        let records = peer.records()
        #expect(records.allSatisfy { $0.type == 23 && $0.content.count <= TLSRecord.maxContentByteCount })
        #expect(records.flatMap(\.content) == answer)
    }

    /// What a client may not send, and the alert that it gets.
    private static let offences: [(String, UInt8, @Sendable (RecordPeer) -> [UInt8])] = [
        ("a changed byte", 20, { peer in peer.data("x").dropLast() + [0x5A] }),
        ("a changed header", 20, { peer in [23, 3, 1] + peer.data("x").dropFirst(3) }),
        ("a record twice", 20, { peer in Array([peer.data("")].flatMap { $0 + $0 }) }),
        ("no more than a tag", 20, { _ in [23, 3, 3, 0, 16] + [UInt8](repeating: 0, count: 16) }),
        ("a length above the bound", 22, { _ in [23, 3, 3, 0x41, 0x01] }),
        ("content above the bound", 22, { $0.sealed(23, [UInt8](repeating: 1, count: TLSRecord.maxContentByteCount + 1)) }),
        ("an alert in clear", 10, { _ in [21, 3, 3, 0, 2, 1, 0] }),
        ("a change of cipher in clear", 10, { _ in [20, 3, 3, 0, 1, 1] }),
        ("a sealed change of cipher", 10, { $0.sealed(20, [1]) }),
        ("zeros alone", 10, { $0.sealed(0, [0, 0, 0]) }),
        ("an alert that is none", 50, { $0.sealed(21, [1, 0, 0]) }),
        ("an empty message", 10, { $0.sealed(22, []) }),
        ("a ClientHello", 10, { $0.sealed(22, [1, 0, 0, 1, 0]) }),
        ("a KeyUpdate with another length", 10, { $0.sealed(22, [24, 0, 0, 2, 0]) }),
        ("a KeyUpdate with something behind it", 10, { $0.sealed(22, [24, 0, 0, 1, 0, 24]) }),
        ("a KeyUpdate that asks for something else", 47, { $0.sealed(22, [24, 0, 0, 1, 2]) }),
        ("data between the pieces of a message", 10, { $0.sealed(22, [24, 0]) + $0.data("x") }),
        ("many empty records", 10, { peer in (0..<33).flatMap { _ in peer.data("") } }),
        ("many new keys", 10, { peer in (0..<33).flatMap { _ in peer.keyUpdate(1) } }),
    ]

    @Test(arguments: offences.indices) func aBrokenRuleEndsTheConnectionWithItsAlert(_ index: Int) throws {
        let (what, alert, make) = Self.offences[index]
        let peer = try RecordPeer()
        // What stood before it is still told.
        peer.write(peer.data("before") + make(peer))
        #expect(peer.receive() == "before", "\(what)")
        #expect(peer.layer.hasUnread)
        #expect(peer.receive() == "failed", "\(what)")
        #expect(peer.layer.failure?.reason == .protocolError)
        #expect(peer.records() == [.init(type: 21, content: [2, alert])], "\(what)")
        // Nothing goes by such a connection any more.
        #expect(peer.send([1]) == -1 && errno == EPROTO)
        peer.write(peer.data("after"))
        #expect(peer.receive() == "failed")
        #expect(peer.records().isEmpty)
    }

    @Test func keysThatTheClientAsksForChangeBeforeTheNextData() throws {
        let peer = try RecordPeer()
        // A message may come in pieces; several requests are one.
        peer.write(peer.sealed(22, [24, 0]) + peer.sealed(22, [0, 1, 1]))
        #expect(peer.receive() == "again")
        peer.renewSealer()
        peer.write(peer.keyUpdate(1) + peer.data("by the third key"))
        #expect(peer.receive() == "by the third key")
        #expect(peer.records().isEmpty)
        #expect(peer.send([1, 2, 3]) == 3)
        #expect(peer.send([4]) == 1)
        #expect(
            peer.records() == [
                .init(type: 22, content: [24, 0, 0, 1, 0]), .init(type: 23, content: [1, 2, 3]), .init(type: 23, content: [4]),
            ])
    }

    @Test func theEndIsToldBehindTheContentAndOursGoesOutOnce() throws {
        let peer = try RecordPeer()
        peer.write(peer.data("last words") + peer.sealed(21, [1, 0]) + peer.data("ignored"))
        #expect(peer.receive() == "last words")
        #expect(peer.layer.hasUnread)
        #expect(peer.receive() == "end")
        #expect(!peer.layer.hasUnread)
        // The other direction is still open (RFC 8446 §6.1).
        #expect(peer.send([7]) == 1)
        #expect(peer.closeOutput() == 0 && peer.closeOutput() == 0)
        #expect(peer.records() == [.init(type: 23, content: [7]), .init(type: 21, content: [1, 0])])
    }

    @Test func anAlertOfTheClientIsAFailureOfItsOwnKind() throws {
        let peer = try RecordPeer()
        peer.write(peer.sealed(21, [1, 80]))
        #expect(peer.receive() == "failed")
        #expect(peer.layer.failure?.reason == .refusedByPeer)
        #expect(peer.layer.failure?.detail == "internal error")
        #expect(peer.records().isEmpty)
        let gone = try RecordPeer()
        shutdown(gone.far, Int32(SHUT_WR))
        #expect(gone.receive() == "end")
    }

    @Test func whatTheKernelDoesNotTakeGoesOutLaterAsItWas() throws {
        let peer = try RecordPeer(sendBuffer: 4096)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 9) }
        var (sent, refusals) = (0, 0)
        var arrived: [RecordPeer.Received] = []
        while sent < bytes.count {
            let count = peer.send(bytes[sent...])
            if count > 0 {
                sent += count
                continue
            }
            #expect(errno == EAGAIN)
            refusals += 1
            // A request for a new key in the midst of it waits for the next record.
            if refusals == 2 {
                peer.write(peer.keyUpdate(1))
                #expect(peer.receive() == "again")
            }
            arrived += peer.records()
        }
        while peer.closeOutput() < 0 { arrived += peer.records() }
        arrived += peer.records()
        #expect(refusals > 2)
        #expect(arrived.filter { $0.type == 23 }.flatMap(\.content) == bytes)
        #expect(arrived.filter { $0.type == 22 }.count == 1)
        #expect(arrived.last == .init(type: 21, content: [1, 0]))
    }
}
