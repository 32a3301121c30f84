import Bytes

/// Storage for what one connection answers at once, lent to one after the other: used again and again while it is in the
/// processor's cache, and an idle connection holds none.
struct SpareOutput: ~Copyable {
    private static let byteCount = 32 << 10
    /// Larger storage is given back.
    private static let maxByteCount = 128 << 10

    private var storage = ByteBuffer(capacity: byteCount)

    /// Lends storage to an output that has none; ``takeBack(_:)`` gets it when the output was sent.
    @inline(__always) mutating func lend(to output: inout ByteBuffer) { swap(&storage, &output) }

    /// Takes the storage of an output that is empty.
    @inline(__always) mutating func takeBack(_ output: inout ByteBuffer) {
        let capacity = output.capacity
        if capacity == 0 { return }
        if storage.capacity == 0, capacity >= Self.byteCount, capacity <= Self.maxByteCount {
            output.clear()
            swap(&storage, &output)
        } else {
            output.clear(keepingCapacity: 0)
            if storage.capacity == 0, capacity > Self.maxByteCount { storage.reserve(Self.byteCount) }
        }
    }

    /// What the kernel does not take moves to storage of its own size, lest a connection that waits keep what all use.
    mutating func keep(apartFrom output: inout ByteBuffer) {
        guard storage.capacity == 0, output.capacity >= Self.byteCount else { return }
        if output.capacity > Self.maxByteCount || output.count > Self.byteCount {
            storage.reserve(Self.byteCount)
            return
        }
        var own = ByteBuffer(capacity: output.count)
        own.append(output.bytes)
        swap(&own, &output)
        own.clear()
        swap(&own, &storage)
    }
}
