import Sessions

/// Encoded events on their way to the store, as the log's pages have them. Large ones are not copied on the way, which is that of a
/// loop, but where they are written.
struct EventBytes: Sendable {
    /// Events of so many bytes stay in their page.
    static let leastSharedByteCount = 64 << 10
    /// Bytes that an iteration takes now and then.
    private static let maxKeptCapacity = 256 << 10

    /// All of it but the large events.
    private var bytes: [UInt8] = []
    private var shared: [(offset: Int, event: SessionEvent)] = []
    /// Bytes of it all.
    private(set) var count = 0

    mutating func append(_ event: SessionEvent) {
        count += event.byteCount
        if event.byteCount < Self.leastSharedByteCount {
            event.withEncoded { bytes.append(contentsOf: $0) }
        } else {
            shared.append((bytes.count, event))
        }
    }

    mutating func append(_ later: EventBytes) {
        for (offset, event) in later.shared { shared.append((bytes.count + offset, event)) }
        bytes.append(contentsOf: later.bytes)
        count += later.count
    }

    /// Forgets all, but keeps room for as much.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.maxKeptCapacity)
        shared.removeAll()
        count = 0
    }

    /// All of it in one piece: a copy where there are large events.
    var joined: [UInt8] {
        if shared.isEmpty { return bytes }
        var joined: [UInt8] = []
        joined.reserveCapacity(count)
        var taken = 0
        for (offset, event) in shared {
            joined.append(contentsOf: bytes[taken..<offset])
            event.withEncoded { joined.append(contentsOf: $0) }
            taken = offset
        }
        joined.append(contentsOf: bytes[taken...])
        return joined
    }
}
