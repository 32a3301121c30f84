internal import Bytes
import CZlib

/// State that receivers need only while bytes arrive, lent to one at a time. Receivers on the same thread share it, so idle
/// connections do not hold it, and messages do not pay for its creation. Thread-confined like its receivers.
public final class ReceiverScratch {
    /// Message storage above this size, in bytes, is freed, because it counts against the receiver that it is lent to.
    private static let maxKeptMessageByteCount = 16 << 10
    /// Window of the shared inflater, without context: the largest window can decompress data of any smaller one.
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

    /// - Parameter used: idle, and no longer referenced.
    func keep(_ used: GatheredFrames) {
        if gathered == nil, used.message.capacity <= Self.maxKeptMessageByteCount { gathered = used }
    }

    /// An inflater without context, or nil if out of memory. Return it by ``keep(_:)`` or ``end(_:)``.
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
