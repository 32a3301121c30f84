/// One event of a stream, as views valid until the next call of the parser and as long as its input.
public struct ServerSentEvent {
    /// The event type; `message` by default.
    public let type: UnsafeRawBufferPointer
    /// The data lines, joined with LF.
    public let data: UnsafeRawBufferPointer

    /// The type as a string.
    public var typeText: String { type.text }
    /// The data as a string; invalid UTF-8 becomes U+FFFD.
    public var dataText: String { data.text }

    /// Whether this is `data: [DONE]`, the end of an OpenAI stream. Compares a prefix, as their SDKs do.
    public var isDone: Bool {
        guard data.count >= 6 else { return false }
        let done: StaticString = "[DONE]"
        return data.slice(0, 6).elementsEqual(UnsafeRawBufferPointer(start: done.utf8Start, count: 6))
    }
}

/// Receives the events of ``ServerSentEventParser/receive(_:_:)``.
public protocol ServerSentEventReceiver: ~Copyable {
    /// - Returns: false to stop and leave the rest of the input unread.
    mutating func receive(_ event: ServerSentEvent) -> Bool
}

/// Why a stream cannot be parsed further. Close its connection.
public enum ServerSentEventError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The lines of one event exceed the limit.
    case eventTooLarge(limitBytes: Int)

    public var description: String {
        switch self {
        case .eventTooLarge(let limit): "A server-sent event is larger than \(limit) bytes."
        }
    }
}
