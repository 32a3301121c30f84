import Bytes
import Glibc

/// Output storage lent to connections while they have output: it stays in the CPU cache, and idle connections hold none.
///
/// One large piece goes to the connection that is being answered at once, and small ones to those that get an event. glibc caches
/// seven blocks of a size, and an iteration may write to a hundred connections.
struct SpareOutput: ~Copyable {
    private static let byteCount = 32 << 10
    /// Larger storage is freed.
    private static let maxByteCount = 128 << 10
    /// Room for an event and its framing, in bytes. Output that began with less would be moved several times for each token.
    static let eventByteCount = 512
    private static let maxSmallCount = 128

    private var storage = ByteBuffer(capacity: byteCount)
    /// Blocks of ``eventByteCount``.
    private let small = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: maxSmallCount)
    private var smallCount = 0

    deinit {
        for index in 0..<smallCount { free(small[index]) }
        small.deallocate()
    }

    /// Lends storage to an output that has none; return it by ``takeBack(_:)`` once the output is sent.
    @inline(__always) mutating func lend(to output: inout ByteBuffer) { swap(&storage, &output) }

    /// Lends an output that has no storage room for an event; return it as above.
    @inline(__always) mutating func lendRoomForEvent(to output: inout ByteBuffer) {
        guard smallCount > 0 else { return output.reserve(Self.eventByteCount) }
        smallCount -= 1
        output = ByteBuffer(storage: small[smallCount], capacity: Self.eventByteCount)
    }

    /// Takes back the storage of an empty output.
    @inline(__always) mutating func takeBack(_ output: inout ByteBuffer) {
        let capacity = output.capacity
        if capacity == 0 { return }
        if capacity == Self.eventByteCount, smallCount < Self.maxSmallCount, let block = output.takeStorage() {
            small[smallCount] = block
            smallCount += 1
        } else if storage.capacity == 0, capacity >= Self.byteCount, capacity <= Self.maxByteCount {
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
