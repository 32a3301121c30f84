import Testing

@testable import WebSocket

@Suite struct HostileInputTests {
    /// Mutated vectors and noise: never a trap, and the verdict does not depend on how the bytes were read.
    @Test func mutatedInputGivesTheSameInOneReadAndInMany() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        let corpus = try WireVector.files.flatMap { try WireVector.load($0) }.map { ($0.role == "client", $0.bytes) }
            .filter { $0.1.count <= 400 }
        for _ in 0..<1_500 {
            guard let (isClient, original) = corpus.randomElement(using: &random) else { return }
            var bytes = original
            if Bool.random(using: &random), let (_, more) = corpus.randomElement(using: &random) {
                bytes = more.dropLast(8) + bytes
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) { Self.mutate(&bytes, &random) }
            let limits = WebSocketLimits(maxMessageBytes: Int.random(in: 0...300, using: &random))
            let whole = EchoPeer(role: isClient ? .client : .server, limits: limits)
            whole.take(bytes)
            let pieces = EchoPeer(role: isClient ? .client : .server, limits: limits)
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

    @Test func noiseNeverTraps() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<1_000 {
            let byteCount = Int.random(in: 0...80, using: &random)
            let bytes = (0..<byteCount).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            for role in [Role.server, .client] {
                let peer = EchoPeer(role: role)
                peer.take(bytes)
                #expect(peer.events.count <= 40, "seed \(seed)")
            }
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        guard !bytes.isEmpty else { return }
        let position = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.remove(at: position)
        case 3: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: position)
        default: bytes.removeLast(bytes.count - position)
        }
    }
}
