internal import Bytes

/// The received part of an incomplete header, control frame or message. Most frames arrive complete, so a receiver creates this
/// only when needed; an idle connection has none.
final class GatheredFrames {
    /// The frame whose payload is incomplete.
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

    /// The wire encoding of a message, given by its first frame.
    enum Coding { case plain, deflated }

    /// The contents of ``message``.
    enum Assembly {
        case nothing
        case text(Coding)
        case binary(Coding)
        /// A message that the last event refers to.
        case delivered
    }

    /// Whether nothing is partially received. Earlier views must no longer be in use.
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

    /// Frees the storage of the last message while something other than a message is partially received.
    func giveBackUnused() {
        if message.isEmpty { message.clear(keepingCapacity: 0) }
    }
}

/// State that few connections need, allocated separately.
final class Box<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}
