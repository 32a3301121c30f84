import HTTP
import JSON

extension ServerSentEvent {
    /// Whether it is named an error, whatever its data is.
    var isError: Bool { type.elementsEqual("error".utf8) }
}

/// What stands at the end of a stream without the empty line that would end it.
enum UnfinishedEvent {
    /// The empty line behind it is what failing servers forget.
    case error(UpstreamErrorObject)
    /// The last line of a stream that has no empty lines: whole, or cut and no JSON.
    case line(ServerSentEvent)
    /// Nothing, or what may have been cut.
    case nothing
}

extension ServerSentEventParser {
    /// Takes the event that was under way when the body ended; once.
    mutating func takeUnfinished() -> UnfinishedEvent {
        guard let event = unfinishedEvent(), !event.isDone else { return .nothing }
        if event.isError { return .error(UpstreamErrorObject(text: event.dataText)) }
        if isLineSeparated { return .line(event) }
        return (try? JSONValue.parse(event.data)).flatMap { UpstreamErrorObject(flat: $0) }.map { .error($0) } ?? .nothing
    }
}
