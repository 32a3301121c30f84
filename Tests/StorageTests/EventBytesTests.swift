import Sessions
import Testing

@testable import Storage

/// Large events are not copied before they are written: what is written is the same.
@Suite struct EventBytesTests {
    @Test func joinedTheyAreAsIfAllHadBeenCopied() {
        let sizes = [10, 100_000, 20, 70_000, 65_536, 5, 65_535, 200_000]
        let writer = EventWriter()
        let events = sizes.map { writer.append(String(repeating: "\($0 % 10)", count: $0)) }
        for split in 0...sizes.count {
            var (first, second, plain) = (EventBytes(), EventBytes(), [UInt8]())
            for (number, event) in events.enumerated() {
                if number < split { first.append(event) } else { second.append(event) }
                event.withEncoded { plain += $0 }
            }
            first.append(second)
            #expect(first.count == plain.count)
            #expect(first.joined == plain)
            first.removeAll()
            #expect(first.joined.isEmpty && first.count == 0)
        }
    }
}
