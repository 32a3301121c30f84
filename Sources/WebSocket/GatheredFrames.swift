internal import Bytes

/// What has come of a header, a control frame or a message that is not whole yet. Most frames come whole, so a receiver has one
/// only while it must: an idle connection has none.
final class GatheredFrames {
    /// The frame whose payload has not come whole.
    var frame: FrameInProgress?
    var assembly = Assembly.nothing
    var headerSpill = HeaderSpill()
    var validator = UTF8Validator()
    var message = ByteBuffer()
    var controlPayload = ByteBuffer()

    struct FrameInProgress {
        var header: FrameHeader
        var receivedByteCount = 0
    }

    /// How the payload of a message stands on the wire, as its first frame says.
    enum Coding { case plain, deflated }

    /// What ``message`` holds.
    enum Assembly {
        case nothing
        case text(Coding)
        case binary(Coding)
        /// A message that the last event pointed into.
        case delivered
    }

    /// Whether nothing is half received. Views handed out before must be out of use.
    var isIdle: Bool {
        guard frame == nil, headerSpill.isEmpty, case .nothing = assembly else { return false }
        return true
    }

    var isDeflated: Bool {
        switch assembly {
        case .text(.deflated), .binary(.deflated): true
        case .nothing, .delivered, .text(.plain), .binary(.plain): false
        }
    }

    func forgetMessage() {
        assembly = .nothing
        message.clear()
    }

    /// Something is half received, and nothing of a message: the storage of the last one would be kept until the rest comes.
    func giveBackUnused() {
        if message.isEmpty { message.clear(keepingCapacity: 0) }
    }
}

/// Something that few connections need, in memory of its own.
final class Box<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}
