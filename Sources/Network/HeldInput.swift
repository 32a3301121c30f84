import Bytes

/// What a connection holds of requests and messages that are not whole or not answered yet, told to its loop's sum. Loop-confined.
struct HeldInput {
    /// Bodies and messages of up to so many bytes are always taken: to stop and to leave must be possible when memory is short.
    static let freeByteCount = 16 << 10
    /// Growth after which the handler is asked again whether there is room.
    private static let stepByteCount = 16 << 10

    // Each connection has one, and most of them are idle.
    private var count: UInt32 = 0

    var byteCount: Int { Int(count) }

    /// - Returns: whether it may be held, by the handler's word.
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
