/// One event of a stream, as views that are valid until the parser is called again and as long as its input.
public struct ServerSentEvent {
    /// The event type, `message` if the stream names none.
    public let type: UnsafeRawBufferPointer
    /// The data lines, joined with LF.
    public let data: UnsafeRawBufferPointer

    /// The type as a string.
    public var typeText: String { type.text }
    /// The data as a string; octets that are no UTF-8 become U+FFFD.
    public var dataText: String { data.text }

    /// Whether this is `data: [DONE]`, the end of an OpenAI stream. A prefix, because that is what their SDKs compare.
    public var isDone: Bool {
        guard data.count >= 6 else { return false }
        let done: StaticString = "[DONE]"
        return data.slice(0, 6).elementsEqual(UnsafeRawBufferPointer(start: done.utf8Start, count: 6))
    }
}

/// Takes the events of ``ServerSentEventParser/receive(_:_:)``.
public protocol ServerSentEventReceiver: ~Copyable {
    /// - Returns: false to leave the rest of the input unread, for example after the last event of interest.
    mutating func receive(_ event: ServerSentEvent) -> Bool
}

/// Why a stream cannot be read any further. Close the connection that it came from.
public enum ServerSentEventError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The lines of one event are longer than the limit: raise it, or suspect the sender.
    case eventTooLarge(limitBytes: Int)

    public var description: String {
        switch self {
        case .eventTooLarge(let limit): "A server-sent event is larger than \(limit) bytes."
        }
    }
}
