/// The body of a request. A long one is stored in parts, because a growing array would be copied repeatedly on the loop.
public struct ReceivedBody: Sendable {
    /// Size of a part, in bytes.
    static let partByteCount = 1 << 20

    /// Nearly all bodies fit here and need no array of parts.
    private var first: [UInt8] = []
    private var others: [[UInt8]] = []
    /// Size of all parts, in bytes.
    public private(set) var count = 0

    public var isEmpty: Bool { count == 0 }

    /// The body as one array. Copies a long body, so not for use on a loop.
    public var joined: [UInt8] {
        if others.isEmpty { return first }
        var joined: [UInt8] = []
        joined.reserveCapacity(count)
        joined.append(contentsOf: first)
        for part in others { joined.append(contentsOf: part) }
        return joined
    }

    /// Reserves room for a body of that length, up to one part.
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
