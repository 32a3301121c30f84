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
