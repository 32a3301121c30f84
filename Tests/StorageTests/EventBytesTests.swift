import JSON
import Sessions
import Testing

@testable import Storage

/// Large payloads are not copied before they are written: what is written is the same.
@Suite struct EventBytesTests {
    private func event(_ number: Int, payloadByteCount: Int) -> LogEvent {
        LogEvent(
            sequence: number, type: .step, response: nil, responseSequence: number,
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: payloadByteCount), delta: 1..<3, outputIndex: 0,
            endOffset: 0)
    }

    @Test func joinedTheyAreAsIfAllHadBeenCopied() {
        let sizes = [10, 100_000, 20, 70_000, 65_536, 5, 65_535, 200_000]
        for split in 0...sizes.count {
            var (first, second, plain) = (EventBytes(), EventBytes(), [UInt8]())
            for (number, size) in sizes.enumerated() {
                let event = event(number, payloadByteCount: size)
                if number < split { first.append(event, response: number) } else { second.append(event, response: number) }
                EventCoding.append(event, response: number, to: &plain)
            }
            first.append(second)
            #expect(first.count == plain.count)
            #expect(first.joined == plain)
            first.removeAll()
            #expect(first.joined.isEmpty && first.count == 0)
        }
    }
}
