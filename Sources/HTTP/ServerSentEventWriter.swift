public import Bytes

/// Why an event may not be written: the text would break out of its line.
public enum ServerSentEventFieldError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An event type with CR or LF.
    case invalidType
    /// An id with NUL, CR or LF: clients would ignore or split it.
    case invalidID

    public var description: String {
        switch self {
        case .invalidType: "An event type must be one line."
        case .invalidID: "An event id must be one line without NUL."
        }
    }
}

/// Writes `text/event-stream` (WHATWG HTML §9.2) into an output buffer, without copying the data twice.
///
/// Each event must have data: the OpenAI SDKs try to parse every block, so one of only `id` or `retry` lines crashes
/// them. That is why there is no call that writes such a block, and why ``appendHeartbeat(into:)`` ends no block.
public enum ServerSentEventWriter {
    /// Writes a whole event. The data may be any text; its lines become `data` lines.
    /// - Parameters:
    ///   - type: nil for the default `message`; one line.
    ///   - id: nil for none; one line without NUL. OpenAI-shaped endpoints must not send it (Open Responses).
    ///   - retryMilliseconds: how long the client shall wait before it connects again.
    /// - Throws: ``ServerSentEventFieldError``; nothing is written then.
    public static func append(
        _ data: UnsafeRawBufferPointer, type: String? = nil, id: String? = nil, retryMilliseconds: Int? = nil,
        into output: inout ByteBuffer
    ) throws(ServerSentEventFieldError) {
        try begin(type: type, id: id, retryMilliseconds: retryMilliseconds, into: &output)
        appendLines(data, label: "data: ", isContinuation: true, &output)
        end(into: &output)
    }

    /// Writes the fields and opens the data line. The caller appends one line of data, such as JSON without line breaks,
    /// and calls ``end(into:)``.
    public static func begin(
        type: String? = nil, id: String? = nil, retryMilliseconds: Int? = nil, into output: inout ByteBuffer
    ) throws(ServerSentEventFieldError) {
        if var type, type.withUTF8({ UnsafeRawBufferPointer($0).hasLineBreak }) { throw .invalidType }
        if var id {
            let isInvalid = id.withUTF8 { id in
                let id = UnsafeRawBufferPointer(id)
                return id.hasLineBreak || id.offset(of: 0) != nil
            }
            if isInvalid { throw .invalidID }
        }
        if let type { output.appendLine("event: ", type) }
        if let id { output.appendLine("id: ", id) }
        appendRetry(retryMilliseconds, &output)
        output.append("data: ")
    }

    /// The same with the id `<run>:<sequence>` or, without a run, `<sequence>`; makes no string.
    public static func begin(
        type: String? = nil, run: String? = nil, sequence: UInt64, retryMilliseconds: Int? = nil,
        into output: inout ByteBuffer
    ) throws(ServerSentEventFieldError) {
        if var type, type.withUTF8({ UnsafeRawBufferPointer($0).hasLineBreak }) { throw .invalidType }
        if var run {
            let isInvalid = run.withUTF8 { run in
                let run = UnsafeRawBufferPointer(run)
                return run.hasLineBreak || run.offset(of: 0) != nil
            }
            if isInvalid { throw .invalidID }
        }
        if let type { output.appendLine("event: ", type) }
        output.append("id: ")
        if let run {
            output.append(run)
            output.append(":")
        }
        output.append(decimal: sequence)
        output.append("\n")
        appendRetry(retryMilliseconds, &output)
        output.append("data: ")
    }

    /// Ends the event that ``begin(type:id:retryMilliseconds:into:)`` opened.
    public static func end(into output: inout ByteBuffer) {
        output.append("\n\n")
    }

    /// `data: [DONE]`, the end of every OpenAI stream.
    public static func appendDone(into output: inout ByteBuffer) {
        output.append("data: [DONE]\n\n")
    }

    /// Exactly `:` and one line end. With a second one, or with an id pending, openai-python takes it for an event and
    /// fails on the empty data (openai-python#2722). Only between events.
    public static func appendHeartbeat(into output: inout ByteBuffer) {
        output.append(":\n")
    }

    /// Writes a comment, which clients skip: a line for each line of the text. Only between events.
    public static func appendComment(_ text: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        appendLines(text, label: ": ", isContinuation: false, &output)
        output.append("\n")
    }

    private static func appendRetry(_ milliseconds: Int?, _ output: inout ByteBuffer) {
        guard let milliseconds, milliseconds >= 0 else { return }
        output.append("retry: ")
        output.append(decimal: milliseconds)
        output.append("\n")
    }

    /// Writes the text with the label in front of each line but, if it is written already, the first. CR, LF and CRLF
    /// end a line, since each would in the stream.
    private static func appendLines(
        _ text: UnsafeRawBufferPointer, label: StaticString, isContinuation: Bool, _ output: inout ByteBuffer
    ) {
        if !isContinuation { output.append(label) }
        var lineStart = 0
        var position = 0
        while position < text.count {
            let octet = text[position]
            position += 1
            guard octet == .lineFeed || octet == .carriageReturn else { continue }
            output.append(text.slice(lineStart, position - 1))
            output.append("\n")
            output.append(label)
            if octet == .carriageReturn, position < text.count, text[position] == .lineFeed { position += 1 }
            lineStart = position
        }
        output.append(text.slice(lineStart, text.count))
    }
}

extension UnsafeRawBufferPointer {
    var hasLineBreak: Bool { offset(of: .lineFeed) != nil || offset(of: .carriageReturn) != nil }
}

extension ByteBuffer {
    fileprivate mutating func appendLine(_ label: StaticString, _ text: String) {
        append(label)
        append(text)
        append("\n")
    }
}
