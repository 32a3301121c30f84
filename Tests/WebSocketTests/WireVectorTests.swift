import Testing

@testable import WebSocket

/// Every vector: events, replies in order, and the same whatever the reads look like.
@Suite struct WireVectorTests {
    @Test(arguments: WireVector.files)
    func inOneRead(file: String) throws {
        for vector in try WireVector.load(file) {
            let peer = EchoPeer(vector)
            peer.take(vector.bytes)
            Self.check(peer, vector)
            #expect(peer.action != .keepOpen, "\(vector.name)")
        }
    }

    @Test(arguments: WireVector.files)
    func byteByByteAndAsEarlyAsPromised(file: String) throws {
        for vector in try WireVector.load(file) where vector.bytes.count <= 3000 {
            let peer = EchoPeer(vector)
            for byte in vector.bytes { peer.take(CollectionOfOne(byte)) }
            Self.check(peer, vector)
            if let expected = vector.failsAfterBytes { #expect(peer.failedAfterBytes == expected, "\(vector.name)") }
        }
    }

    @Test(arguments: WireVector.files)
    func splitAtEveryByte(file: String) throws {
        for vector in try WireVector.load(file) {
            let bytes = vector.bytes
            let cuts = bytes.count <= 600 ? Array(0...bytes.count) : Array(0...16) + [bytes.count / 2, bytes.count - 9]
            for cut in cuts {
                let peer = EchoPeer(vector)
                peer.take(bytes[..<cut])
                peer.take(bytes[cut...])
                Self.check(peer, vector, "cut at \(cut)")
            }
        }
    }

    private static func check(_ peer: EchoPeer, _ vector: WireVector, _ how: String = "") {
        let events = vector.events.map(WireVector.whole)
        let replies = vector.replies.map(WireVector.whole)
        #expect(peer.events == events, "\(vector.name) \(how)")
        #expect(peer.replies() == replies, "\(vector.name) \(how)")
    }
}
