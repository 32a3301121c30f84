import API
import HTTP
import JSON
import ResponsesWire

extension EventStream.ErrorForm {
    /// Sends errors as an event in flat form.
    /// - Parameter type: `event:` of the server-sent event.
    static func flat(_ type: StaticString, isDone: Bool) -> EventStream.ErrorForm {
        EventStream.ErrorForm(
            append: { error, output in
                ServerSentEventWriter.begin(type: type, into: &output)
                output.appendJSONObject {
                    $0.field("type", "error")
                    FlatError.write(code: error.code, message: error.message, param: error.param, to: &$0)
                }
                ServerSentEventWriter.end(into: &output)
            }, isDone: isDone)
    }
}
