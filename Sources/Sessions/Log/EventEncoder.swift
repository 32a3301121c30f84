public import Bytes

/// Writes events in one vocabulary.
///
/// A pure function of the event, the header of its response and the texts of its items: no clock, no live state, no random
/// identifier. What belongs to one reader (its identifiers, the head of its stream) is written round it by the face.
public protocol EventEncoder {
    /// Appends the event.
    static func append(_ event: SessionEvent, to output: inout ByteBuffer)
}

/// Encodes an event once for all readers of a vocabulary that get it in one pass. Loop-confined, one for each loop and vocabulary.
public final class EncodingPass<Encoder: EventEncoder> {
    private var scratch = ByteBuffer()
    /// What stands in the scratch.
    private var encoded: SessionEvent?

    /// Bytes of the scratch that stay between events.
    private static var idleByteCount: Int { 16 << 10 }

    public init() {}

    /// Appends the event: for a sole reader straight to its output, else by way of the scratch.
    @inline(__always)
    public func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        guard event.isShared else { return Encoder.append(event, to: &output) }
        output.append(bytes(of: event))
    }

    /// The encoded event, valid until the next call.
    public func bytes(of event: SessionEvent) -> UnsafeRawBufferPointer {
        if let encoded, event.isShared, encoded.isSame(as: event) { return scratch.bytes }
        scratch.clear(keepingCapacity: Self.idleByteCount)
        Encoder.append(event, to: &scratch)
        encoded = event.isShared ? event : nil
        return scratch.bytes
    }
}
