import Bytes
import Testing
import ToldSession

@testable import Sessions

/// One encoding for all readers of a vocabulary on a loop, and the right one for each.
@Suite struct EncodingPassTests {
    private let pass = EncodingPass<CountingEncoder>()
    private let header = ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1)
    private let item = ResponseItem(id: "msg_1", index: 0, kind: .message)

    /// A log of deltas, as readers on other loops get them.
    private func deltas(_ count: Int, _ text: String = "a delta of a few words", isShared: Bool = true) -> [SessionEvent] {
        let log = SessionLog(maxByteCount: .max)
        return (0..<count).map { index in
            var body = ByteBuffer()
            body.append(SessionEvent.TextForm.plain.rawValue)
            body.append(varint: 0)
            body.append("\(index) \(text)")
            var event = log.append(.outputTextDelta, header, responseSequence: log.lastPosition, item, body: body.bytes)
            event.isShared = isShared
            return event
        }
    }

    private func bytes(_ event: SessionEvent) -> [UInt8] { Array(pass.bytes(of: event)) }

    /// What the encoder writes.
    private func expected(_ event: SessionEvent) -> [UInt8] {
        event.withEncoded { encoded in [UInt8](encoded) }
    }

    private func encodingCount(_ body: () -> Void) -> Int {
        let before = CountingEncoder.count.value
        body()
        return CountingEncoder.count.value - before
    }

    @Test func readersOfTheSameEventShareItsEncoding() {
        let events = deltas(20)
        CountingEncoder.$count.withValue(Counter()) {
            let count = encodingCount { for event in events { for _ in 0..<3 { #expect(bytes(event) == expected(event)) } } }
            #expect(count == 20)
        }
    }

    @Test func readersOfTheSameBatchShareItsEncodings() {
        // On several pages.
        let batches = [deltas(50), deltas(30), deltas(1)]
        CountingEncoder.$count.withValue(Counter()) {
            let count = encodingCount {
                for batch in batches { for _ in 0..<4 { for event in batch { #expect(bytes(event) == expected(event)) } } }
            }
            #expect(count == 81)
        }
    }

    @Test func anEventThatNobodyElseGetsIsNotRetained() {
        let event = deltas(1, isShared: false)[0]
        CountingEncoder.$count.withValue(Counter()) {
            let count = encodingCount { for _ in 0..<2 { #expect(bytes(event) == expected(event)) } }
            #expect(count == 2)
            var output = ByteBuffer()
            pass.append(event, to: &output)
            #expect(output.array == expected(event))
        }
    }

    @Test func whatIsRetainedIsBounded() {
        let large = deltas(100, String(repeating: "x", count: 1000))
        for event in large + deltas(2000) + large { #expect(bytes(event) == expected(event)) }
        #expect(pass.scratch.count < 18 << 10 && pass.recent.pageCount <= 4)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func everyReaderGetsItsOwnEvent(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let logs = [deltas(300), deltas(300, String(repeating: "y", count: 300)), deltas(40, isShared: false)]
        var positions = (0..<12).map { _ in 0 }
        for _ in 0..<500 {
            let reader = Int.random(in: 0..<positions.count, using: &random)
            let log = logs[reader % logs.count]
            let batch = log[positions[reader]...].prefix(Int.random(in: 1...60, using: &random))
            for event in batch {
                let isRight = pass.bytes(of: event).elementsEqual(expected(event))
                #expect(isRight, "seed \(seed), event \(event.position)")
            }
            positions[reader] = batch.endIndex < log.count ? batch.endIndex : Int.random(in: 0..<log.count, using: &random)
        }
    }
}

private final class Counter: @unchecked Sendable {
    var value = 0
}

/// Writes the event as in the log, and counts.
private enum CountingEncoder: EventEncoder {
    @TaskLocal static var count = Counter()

    static func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        count.value += 1
        event.withEncoded { output.append($0) }
    }

    static func byteCount(of event: SessionEvent) -> Int { event.byteCount }
}
