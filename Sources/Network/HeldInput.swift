import Bytes

/// A connection's memory for incomplete or unanswered requests and messages, added to its loop's total. Loop-confined.
struct HeldInput {
    /// Bodies and messages up to this size, in bytes, are always accepted, so that cancelling works when memory is short.
    static let freeByteCount = 16 << 10
    /// Growth, in bytes, after which the handler is asked again whether there is room.
    private static let stepByteCount = 16 << 10

    // 32 bits: there is one per connection, and most are idle.
    private var count: UInt32 = 0

    var byteCount: Int { Int(count) }

    /// - Returns: whether the handler permits it.
    @inline(__always)
    mutating func set(_ newCount: Int, on loop: EventLoop, by handler: any HTTPRequestHandler) -> Bool {
        newCount == byteCount || change(to: newCount, on: loop, by: handler)
    }

    private mutating func change(to newCount: Int, on loop: EventLoop, by handler: any HTTPRequestHandler) -> Bool {
        let oldCount = byteCount
        loop.heldInputBytes += newCount - oldCount
        count = UInt32(clamping: newCount)
        guard newCount > max(oldCount, Self.freeByteCount), newCount / Self.stepByteCount != oldCount / Self.stepByteCount else {
            return true
        }
        return handler.hasRoom(on: loop)
    }

    mutating func clear(on loop: EventLoop) {
        loop.heldInputBytes -= byteCount
        count = 0
    }
}
