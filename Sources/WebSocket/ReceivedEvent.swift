/// What the frames of the peer say. The payloads are views into the input or the receiver: they are valid until the
/// receiver is asked for the next event.
public enum ReceivedEvent {
    /// A whole text message, well-formed UTF-8.
    case text(UnsafeRawBufferPointer)
    /// A whole binary message.
    case binary(UnsafeRawBufferPointer)
    /// At most 125 bytes.
    case ping(UnsafeRawBufferPointer)
    /// At most 125 bytes.
    case pong(UnsafeRawBufferPointer)
    /// The peer's close frame. No code stands for an empty payload; the reason is UTF-8 of at most 123 bytes.
    case close(CloseCode?, reason: UnsafeRawBufferPointer)
}
