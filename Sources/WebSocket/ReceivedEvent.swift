/// A message or control frame of the peer. Payloads are views into the input or the receiver, valid until the next call for an
/// event.
public enum ReceivedEvent {
    /// A whole text message, well-formed UTF-8.
    case text(UnsafeRawBufferPointer)
    /// A whole binary message.
    case binary(UnsafeRawBufferPointer)
    /// At most 125 bytes.
    case ping(UnsafeRawBufferPointer)
    /// At most 125 bytes.
    case pong(UnsafeRawBufferPointer)
    /// The peer's close frame. Nil code: empty payload. The reason is UTF-8 of at most 123 bytes.
    case close(CloseCode?, reason: UnsafeRawBufferPointer)
}
