internal import Bytes
import CZlib

/// What receivers need only while bytes come, lent to one after the other: those that take turns on one thread share it, so that
/// neither an idle connection holds it nor a message pays for making it. Confined as its receivers are.
public final class ReceiverScratch {
    /// A message's storage above this many bytes is given back to the allocator: who is lent it is held to account for it.
    private static let maxKeptMessageByteCount = 16 << 10
    /// Of an inflater that no context is kept for: the largest window undoes what was made with a smaller one.
    private static let windowBits: Int32 = 15

    private var gathered: GatheredFrames?
    private var stream: UnsafeMutablePointer<czlib_stream>?

    public init() {}

    deinit {
        if let stream { Self.end(stream) }
    }

    func takeGathered() -> GatheredFrames {
        guard let gathered else { return GatheredFrames() }
        self.gathered = nil
        return gathered
    }

    /// - Parameter used: idle, and out of use.
    func keep(_ used: GatheredFrames) {
        if gathered == nil, used.message.capacity <= Self.maxKeptMessageByteCount { gathered = used }
    }

    /// An inflater that remembers nothing, or nil when there is no memory for one. Ends by ``keep(_:)`` or ``end(_:)``.
    func takeStream() -> UnsafeMutablePointer<czlib_stream>? {
        if let stream {
            self.stream = nil
            return stream
        }
        return Self.makeStream(windowBits: Self.windowBits)
    }

    func keep(_ used: UnsafeMutablePointer<czlib_stream>) {
        if stream == nil, inflateReset(&used.pointee.z) == Z_OK { stream = used } else { Self.end(used) }
    }

    static func makeStream(windowBits: Int32) -> UnsafeMutablePointer<czlib_stream>? {
        let stream = UnsafeMutablePointer<czlib_stream>.allocate(capacity: 1)
        if czlib_inflate_init(stream, windowBits) == Z_OK { return stream }
        stream.deallocate()
        return nil
    }

    static func end(_ stream: UnsafeMutablePointer<czlib_stream>) {
        inflateEnd(&stream.pointee.z)
        stream.deallocate()
    }
}
