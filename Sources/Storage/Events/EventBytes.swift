import JSON
import Sessions

/// Encoded events on their way to the store, as ``EventCoding`` has them. Large payloads are not copied on the way, which is that of a
/// loop, but where they are written.
struct EventBytes: Sendable {
    /// Payloads of so many bytes are kept as they are.
    static let leastSharedByteCount = 64 << 10
    /// Bytes that an iteration takes now and then.
    private static let maxKeptCapacity = 256 << 10

    /// All of it but the large payloads.
    private var bytes: [UInt8] = []
    private var shared: [(offset: Int, payload: [UInt8])] = []
    /// Bytes of it all.
    private(set) var count = 0

    mutating func append(_ event: LogEvent, response: Int) {
        let before = bytes.count
        guard event.payload.count >= Self.leastSharedByteCount else {
            EventCoding.append(event, response: response, to: &bytes)
            count += bytes.count - before
            return
        }
        EventCoding.appendHead(
            event.payload.count, response: response, responseSequence: event.responseSequence, delta: event.delta,
            outputIndex: event.outputIndex, to: &bytes)
        shared.append((bytes.count, event.payload))
        count += bytes.count - before + event.payload.count
    }

    mutating func append(_ later: EventBytes) {
        for (offset, payload) in later.shared { shared.append((bytes.count + offset, payload)) }
        bytes.append(contentsOf: later.bytes)
        count += later.count
    }

    /// Forgets all, but keeps room for as much.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.maxKeptCapacity)
        shared.removeAll()
        count = 0
    }

    /// All of it in one piece: a copy where there are large payloads.
    var joined: [UInt8] {
        if shared.isEmpty { return bytes }
        var joined: [UInt8] = []
        joined.reserveCapacity(count)
        var taken = 0
        for (offset, payload) in shared {
            joined.append(contentsOf: bytes[taken..<offset])
            joined.append(contentsOf: payload)
            taken = offset
        }
        joined.append(contentsOf: bytes[taken...])
        return joined
    }
}
