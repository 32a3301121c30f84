public import Bytes

/// Writes `text/event-stream` (WHATWG HTML §9.2) into an output buffer, without copying the data twice and without allocating.
///
/// Every event must have data: the OpenAI SDKs parse every block, and crash on one with only `id` or `retry` lines. So no call
/// writes such a block, and ``appendHeartbeat(into:)`` does not end a block.
public enum ServerSentEventWriter {
    /// Writes the fields in front of the data and opens the data line. The caller appends one line of data, such as JSON without
    /// line breaks, and calls ``end(into:)``.
    /// - Parameters:
    ///   - id: nil for none. OpenAI-shaped endpoints must not send it (Open Responses).
    ///   - epoch: written in front of the id as `<epoch>:<id>` unless it is 0.
    ///   - type: nil for the default `message`; one line.
    ///   - retryMilliseconds: delay before the client reconnects.
    public static func begin(
        id: Int? = nil, epoch: Int = 0, type: StaticString? = nil, retryMilliseconds: Int? = nil, into output: inout ByteBuffer
    ) {
        appendID(id, epoch, &output)
        if let type { appendType(&output) { $0.append(type) } }
        appendRetry(retryMilliseconds, &output)
        output.append("data: " as StaticString)
    }

    @inline(__always)
    private static func appendID(_ id: Int?, _ epoch: Int, _ output: inout ByteBuffer) {
        guard let id else { return }
        output.append("id: " as StaticString)
        if epoch != 0 {
            output.append(decimal: epoch)
            output.append(":" as StaticString)
        }
        output.append(decimal: id)
        output.append("\n" as StaticString)
    }

    @inline(__always)
    private static func appendType(_ output: inout ByteBuffer, _ type: (inout ByteBuffer) -> Void) {
        output.append("event: " as StaticString)
        type(&output)
        output.append("\n" as StaticString)
    }

    @inline(__always)
    private static func appendRetry(_ milliseconds: Int?, _ output: inout ByteBuffer) {
        guard let milliseconds, milliseconds >= 0 else { return }
        output.append("retry: " as StaticString)
        output.append(decimal: milliseconds)
        output.append("\n" as StaticString)
    }

    /// Ends the event that ``begin(id:epoch:type:retryMilliseconds:into:)`` opened.
    public static func end(into output: inout ByteBuffer) {
        output.append("\n\n" as StaticString)
    }

    /// Writes a complete event. The data may be any text; each line becomes a `data` line.
    public static func append(
        _ data: UnsafeRawBufferPointer, id: Int? = nil, epoch: Int = 0, type: String? = nil, retryMilliseconds: Int? = nil,
        into output: inout ByteBuffer
    ) {
        appendID(id, epoch, &output)
        if let type {
            // number-safe: types are the code's own constants, and debug builds alone look
            assert(!type.utf8.contains { $0 == .lineFeed || $0 == .carriageReturn }, "an event type must be one line")
            appendType(&output) { $0.append(type) }
        }
        appendRetry(retryMilliseconds, &output)
        output.append("data: " as StaticString)
        appendLines(data, label: "data: ", &output)
        end(into: &output)
    }

    /// `data: [DONE]`, the end of every OpenAI stream.
    public static func appendDone(into output: inout ByteBuffer) {
        output.append("data: [DONE]\n\n" as StaticString)
    }

    /// Exactly `:` and one line end. With a second one, or a pending id, openai-python treats it as an event and fails on the empty
    /// data (openai-python#2722). Only between events.
    public static func appendHeartbeat(into output: inout ByteBuffer) {
        output.append(":\n" as StaticString)
    }

    /// Writes a comment, ignored by clients, with one line per line of the text. Only between events.
    public static func appendComment(_ text: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        output.append(": " as StaticString)
        appendLines(text, label: ": ", &output)
        output.append("\n" as StaticString)
    }

    /// Writes the text with the label in front of each line but the first, whose label is written already. CR, LF and CRLF end
    /// a line, since each would in the stream.
    private static func appendLines(_ text: UnsafeRawBufferPointer, label: StaticString, _ output: inout ByteBuffer) {
        var lineStart = 0
        var position = 0
        while position < text.count {
            let octet = text[position]
            position += 1
            guard octet == .lineFeed || octet == .carriageReturn else { continue }
            output.append(text.slice(lineStart, position - 1))
            output.append("\n" as StaticString)
            output.append(label)
            if octet == .carriageReturn, position < text.count, text[position] == .lineFeed { position += 1 }
            lineStart = position
        }
        output.append(text.slice(lineStart, text.count))
    }
}
