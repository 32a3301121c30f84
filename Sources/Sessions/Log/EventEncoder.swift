public import Bytes

/// Writes events in one vocabulary.
///
/// A pure function of the event, the header of its response and the texts of its items: no clock, no live state, no random
/// identifier. What belongs to one reader (its identifiers, the head of its stream) is written round it by the face.
public protocol EventEncoder {
    /// Appends the event.
    static func append(_ event: SessionEvent, to output: inout ByteBuffer)
    /// About how many bytes it appends.
    static func byteCount(of event: SessionEvent) -> Int
}

/// Encodes an event once for all readers of a vocabulary that get it in one pass. Loop-confined, one for each loop and vocabulary.
///
/// Inlinable, so that each face has it for its own encoder: it runs for every token and reader.
public final class EncodingPass<Encoder: EventEncoder> {
    @usableFromInline var scratch = ByteBuffer()
    /// What stands in the scratch.
    @usableFromInline var encoded: SessionEvent?

    /// Bytes of the scratch that stay between events.
    @inlinable static var idleByteCount: Int { 16 << 10 }

    @inlinable public init() {}

    /// Appends the event: for a sole reader straight to its output, else by way of the scratch.
    @inlinable @inline(__always)
    public func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        guard event.isShared else { return Encoder.append(event, to: &output) }
        output.append(bytes(of: event))
    }

    /// The encoded event, valid until the next call.
    @inlinable
    public func bytes(of event: SessionEvent) -> UnsafeRawBufferPointer {
        if let encoded, event.isShared, encoded.isSame(as: event) { return scratch.bytes }
        scratch.clear(keepingCapacity: Self.idleByteCount)
        Encoder.append(event, to: &scratch)
        encoded = event.isShared ? event : nil
        return scratch.bytes
    }
}
