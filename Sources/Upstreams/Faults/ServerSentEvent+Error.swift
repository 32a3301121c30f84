import HTTP
import JSON

extension ServerSentEvent {
    /// Whether the event is named `error`, whatever its data.
    var isError: Bool { type.elementsEqual("error".utf8) }
}

/// The event that a stream ended in the middle of, without the empty line after it.
enum UnfinishedEvent {
    /// An error: failing servers often omit the empty line.
    case error(UpstreamErrorObject)
    /// The last line of a stream without empty lines: complete, or truncated and therefore invalid JSON.
    case line(ServerSentEvent)
    /// No event, or one that may be truncated.
    case nothing
}

extension ServerSentEventParser {
    /// Returns the event in progress when the body ended, and clears it.
    mutating func takeUnfinished() -> UnfinishedEvent {
        guard let event = unfinishedEvent(), !event.isDone else { return .nothing }
        if event.isError { return .error(UpstreamErrorObject(text: event.dataText)) }
        if isLineSeparated { return .line(event) }
        return (try? JSONValue.parse(event.data)).flatMap { UpstreamErrorObject(flat: $0) }.map { .error($0) } ?? .nothing
    }
}
