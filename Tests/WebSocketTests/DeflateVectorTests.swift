import Testing

@testable import WebSocket

/// Protocols/vectors/deflate/messages.json: the same events and replies whatever the reads look like.
@Suite struct DeflateVectorTests {
    /// An end that may use compression in every way, and sends it too.
    static func peer(_ vector: WireVector) throws -> EchoPeer {
        EchoPeer(
            limits: WebSocketLimits(maxMessageBytes: vector.maxMessageBytes ?? 16 << 20),
            extensions: try extensions(vector.parameters))
    }

    /// A server's, from parameters as they would stand in its response.
    static func extensions(_ parameters: String?) throws -> NegotiatedExtensions {
        let text = "permessage-deflate" + (parameters.map { "; \($0)" } ?? "")
        let options = DeflateOptions(windowBits: 15, minMessageBytes: 1)
        return NegotiatedExtensions(deflate: options.accept(try #require(ExtensionOffer.parse([text])))?.agreement)
    }

    @Test func inOneRead() throws {
        for vector in try WireVector.load("messages", in: "deflate") {
            let peer = try Self.peer(vector)
            peer.take(vector.bytes)
            Self.check(peer, vector)
            #expect(peer.action != .keepOpen, "\(vector.name)")
            #expect(peer.deflateMemoryByteCount == 0, "\(vector.name): an ended connection holds nothing")
        }
    }

    @Test func byteByByte() throws {
        for vector in try WireVector.load("messages", in: "deflate") {
            let peer = try Self.peer(vector)
            for byte in vector.bytes { peer.take(CollectionOfOne(byte)) }
            Self.check(peer, vector)
        }
    }

    @Test func splitAtEveryByte() throws {
        for vector in try WireVector.load("messages", in: "deflate") {
            let bytes = vector.bytes
            for cut in 0...bytes.count where cut < 150 || cut % 23 == 0 {
                let peer = try Self.peer(vector)
                peer.take(bytes[..<cut])
                peer.take(bytes[cut...])
                Self.check(peer, vector, "cut at \(cut)")
            }
        }
    }

    private static func check(_ peer: EchoPeer, _ vector: WireVector, _ how: String = "") {
        #expect(peer.events == vector.events.map(WireVector.whole), "\(vector.name) \(how)")
        #expect(peer.replies() == vector.replies.map(WireVector.whole), "\(vector.name) \(how)")
    }

    /// Mutated streams: never a trap, and the verdict does not depend on how the bytes were read.
    @Test func mutatedInputGivesTheSameInOneReadAndInMany() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let corpus = try WireVector.load("messages", in: "deflate").filter { $0.bytes.count < 400 && $0.parameters == nil }
        for _ in 0..<2_000 {
            guard let vector = corpus.randomElement(using: &random) else { return }
            var bytes = vector.bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            let whole = try Self.peer(vector)
            whole.take(bytes)
            let pieces = try Self.peer(vector)
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...9, using: &random))
                pieces.take(piece)
                rest = rest.dropFirst(piece.count)
            }
            #expect(whole.events == pieces.events, "seed \(seed), input \(WireVector.hex(bytes))")
            #expect(whole.replies() == pieces.replies(), "seed \(seed), input \(WireVector.hex(bytes))")
        }
    }
}
