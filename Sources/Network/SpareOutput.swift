import Bytes

/// Output storage lent to one connection at a time for immediate answers: it stays in the CPU cache, and idle connections hold
/// none.
struct SpareOutput: ~Copyable {
    private static let byteCount = 32 << 10
    /// Larger storage is freed.
    private static let maxByteCount = 128 << 10

    private var storage = ByteBuffer(capacity: byteCount)

    /// Lends storage to an output that has none; return it by ``takeBack(_:)`` once the output is sent.
    @inline(__always) mutating func lend(to output: inout ByteBuffer) { swap(&storage, &output) }

    /// Takes back the storage of an empty output.
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

    /// Moves unsent output to storage of its own, so that a waiting connection does not keep the shared storage.
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
