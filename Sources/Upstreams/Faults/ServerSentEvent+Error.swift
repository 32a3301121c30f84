import HTTP
import JSON

extension ServerSentEvent {
    /// Whether it is named an error, whatever its data is.
    var isError: Bool { type.elementsEqual("error".utf8) }
}

extension ServerSentEventParser {
    /// The error that was being told when the body ended: the empty line behind it is what failing servers forget.
    mutating func unfinishedError() -> UpstreamErrorObject? {
        guard let event = unfinishedEvent(), !event.isDone else { return nil }
        if event.isError { return UpstreamErrorObject(text: event.dataText) }
        return (try? JSONValue.parse(event.data)).flatMap { UpstreamErrorObject(flat: $0) }
    }
}
