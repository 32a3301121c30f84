public import Bytes

/// Encodes events in one vocabulary.
///
/// A pure function of the event, the header of its response and the texts of its items: no clock, no live state, no random
/// identifiers. What depends on the reader (its identifiers, the head of its stream) is added by the face.
public protocol EventEncoder {
    /// Appends the event.
    static func append(_ event: SessionEvent, to output: inout ByteBuffer)
    /// Approximate size of the encoded event, in bytes.
    static func byteCount(of event: SessionEvent) -> Int
}

/// Encodes an event once for all readers of a vocabulary that get it in one pass. Loop-confined, one for each loop and vocabulary.
///
/// Inlinable, so that each face specializes it for its encoder: it runs for every token and reader.
public final class EncodingPass<Encoder: EventEncoder> {
    @usableFromInline var scratch = ByteBuffer()
    /// The event in the scratch buffer.
    @usableFromInline var encoded: SessionEvent?

    /// Maximum size of the scratch buffer between events, in bytes.
    @inlinable static var idleByteCount: Int { 16 << 10 }

    /// A pass without an encoded event.
    @inlinable public init() {}

    /// Appends the event: for a single reader directly to its output, otherwise through the scratch buffer.
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
