/// The body of a request as it came. A long one stands in parts: one array that grew with it would be copied again and again on the loop.
public struct ReceivedBody: Sendable {
    /// Bytes of a part.
    static let partByteCount = 1 << 20

    /// Nearly every body is this one, and costs no array of parts.
    private var first: [UInt8] = []
    private var others: [[UInt8]] = []
    /// Bytes of all parts.
    public private(set) var count = 0

    public var isEmpty: Bool { count == 0 }

    /// All of it in one piece: a copy of a long one, so not for a loop.
    public var joined: [UInt8] {
        if others.isEmpty { return first }
        var joined: [UInt8] = []
        joined.reserveCapacity(count)
        joined.append(contentsOf: first)
        for part in others { joined.append(contentsOf: part) }
        return joined
    }

    /// Makes room for a body of that length, as far as one part has.
    mutating func reserveCapacity(_ byteCount: Int) { first.reserveCapacity(min(byteCount, Self.partByteCount)) }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        count += bytes.count
        if others.isEmpty, first.isEmpty || first.count + bytes.count <= Self.partByteCount {
            first.append(contentsOf: bytes)
            return
        }
        if others.isEmpty || others[others.count - 1].count + bytes.count > Self.partByteCount {
            var part: [UInt8] = []
            part.reserveCapacity(max(Self.partByteCount, bytes.count))
            others.append(part)
        }
        others[others.count - 1].append(contentsOf: bytes)
    }
}
