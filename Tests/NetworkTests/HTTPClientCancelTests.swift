import Logging
import LoopbackServer
import Network
import Synchronization
import Testing

/// A cancelled transfer's connection is closed when `cancel()` returns, and nothing is told any more.
@Suite struct HTTPClientCancelTests {
    private let group: EventLoopGroup
    private var loop: EventLoop { group.loops[0] }

    init() throws {
        group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
    }

    /// A server that streams for ever and says when its clients left.
    private final class Endless: Sendable {
        let server: LoopbackServer
        let closes: Closes

        final class Closes: Sendable {
            private let moments = Mutex<[ContinuousClock.Instant]>([])
            func add(_ moment: ContinuousClock.Instant) { moments.withLock { $0.append(moment) } }

            func wait(for count: Int) async -> [ContinuousClock.Instant] {
                let deadline = ContinuousClock.now + .seconds(600)
                while moments.withLock({ $0.count }) < count, .now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
                return moments.withLock { $0 }
            }
        }

        /// - Parameter isMute: it never answers.
        init(isMute: Bool = false) {
            let closes = Closes()
            self.closes = closes
            server = LoopbackServer { peer in
                while peer.readRequest() != nil {
                    if !isMute {
                        peer.sendStreamHead()
                        peer.sendChunk("one")
                    }
                    closes.add(peer.waitForClose())
                    return
                }
            }
        }
    }

    /// A request that no limit of time ends, however busy the machine: what ends it is the cancel.
    private func patient(url: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.connectTimeout = .seconds(600)
        request.silenceTimeout = .seconds(600)
        return request
    }

    @Test(arguments: [false, true])
    func theServerSeesTheCloseInEveryPhase(_ isMute: Bool) async throws {
        let endless = Endless(isMute: isMute)
        defer {
            endless.server.stop()
            group.shutDown()
        }
        let recorder = await loop.begin(patient(url: endless.server.url))
        if isMute {
            try await Task.sleep(for: .milliseconds(50))
        } else {
            _ = await recorder.wait { $0.body == "one" }
        }
        await recorder.onLoop { $0.stop() }
        // Nothing else would end it: the answer is endless.
        #expect(await endless.closes.wait(for: 1).count == 1)
        try await Task.sleep(for: .milliseconds(30))
        #expect(recorder.now.endCount == 0 && recorder.now.callsAfterCancel == 0)
    }

    @Test func aCancelledConnectionIsNotUsedAgain() async throws {
        let endless = Endless()
        defer {
            endless.server.stop()
            group.shutDown()
        }
        for _ in 0..<5 {
            let recorder = await loop.begin(patient(url: endless.server.url))
            _ = await recorder.wait { $0.body == "one" }
            await recorder.onLoop { $0.stop() }
        }
        #expect(await endless.closes.wait(for: 5).count == 5)
        #expect(endless.server.connectionCount == 5)
    }

    @Test func aTransferMayCancelItselfWhileItIsDelivered() async throws {
        let endless = Endless()
        defer {
            endless.server.stop()
            group.shutDown()
        }
        let recorder = await loop.begin(patient(url: endless.server.url), onPiece: { $0.stop() })
        #expect(await endless.closes.wait(for: 1).count == 1)
        #expect(recorder.now.endCount == 0 && recorder.now.callsAfterCancel == 0 && recorder.now.pieceCount == 1)
    }

    @Test func aTransferMayCancelAnotherAndStartOneWhileItIsDelivered() async throws {
        let endless = Endless()
        defer {
            endless.server.stop()
            group.shutDown()
        }
        let first = await loop.begin(patient(url: endless.server.url))
        _ = await first.wait { $0.body == "one" }
        let third = Mutex<TransferRecorder?>(nil)
        let loop = loop
        let url = endless.server.url
        let second = await loop.begin(
            patient(url: url),
            onPiece: { transfer in
                // On the loop, so this is done within the call.
                first.onLoopNow { $0.stop() }
                transfer.stop()
                third.withLock { $0 = loop.beginNow(patient(url: url)) }
            })
        #expect(await endless.closes.wait(for: 2).count == 2)
        let recorder = try #require(third.withLock { $0 })
        #expect(await recorder.wait { $0.body == "one" }.body == "one")
        #expect(first.now.callsAfterCancel == 0 && second.now.callsAfterCancel == 0)
        await recorder.onLoop { $0.stop() }
    }

    @Test func cancelBeforeAndRightAfterTheStart() async throws {
        let endless = Endless()
        defer {
            endless.server.stop()
            group.shutDown()
        }
        let loop = loop
        let url = endless.server.url
        let recorders = await withCheckedContinuation { continuation in
            loop.execute {
                let after = loop.beginNow(patient(url: url))
                after.onLoopNow { $0.stop() }
                let before = TransferRecorder()
                let transfer = RecordedTransfer(patient(url: url), before, onPiece: nil, onEnd: nil)
                transfer.stop()
                loop.httpClient.start(transfer)
                continuation.resume(returning: [after, before])
            }
        }
        try await Task.sleep(for: .milliseconds(50))
        for recorder in recorders { #expect(recorder.now.endCount == 0 && recorder.now.callsAfterCancel == 0) }
        let left = await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: loop.httpClient.transferCount) }
        }
        #expect(left == 0)
    }

    @Test func cancelAtAnyMomentOfAHundredTransfers() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(state: seed)
        let endless = Endless()
        defer {
            endless.server.stop()
            group.shutDown()
        }
        var recorders: [TransferRecorder] = []
        for _ in 0..<100 {
            recorders.append(await loop.begin(patient(url: endless.server.url)))
            if Bool.random(using: &random) { try await Task.sleep(for: .microseconds(Int.random(in: 0...800, using: &random))) }
            if Bool.random(using: &random), let one = recorders.randomElement(using: &random) { await one.onLoop { $0.stop() } }
        }
        for recorder in recorders { await recorder.onLoop { $0.stop() } }
        try await Task.sleep(for: .milliseconds(50))
        for recorder in recorders {
            #expect(recorder.now.endCount == 0 && recorder.now.callsAfterCancel == 0, "seed \(seed)")
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
