import Bytes
import HTTP
import JSON

extension EventStream.ErrorForm {
    static let responses = EventStream.ErrorForm(append: { InBandError.append($0, into: &$1) }, isDone: true)
    static let chat = EventStream.ErrorForm(append: { InBandError.appendChat($0, into: &$1) }, isDone: true)
    /// EventSource fires its own `error` when a connection fails: ours must not look like that.
    static let session = EventStream.ErrorForm(
        append: { InBandError.append($0, event: "interject:error", into: &$1) }, isDone: false)
}

/// Errors told within a stream whose status is sent already.
enum InBandError {
    /// The Responses form: flat, so that SDKs give it to the program as an event.
    static func append(_ error: APIError, event: StaticString = "error", into output: inout ByteBuffer) {
        ServerSentEventWriter.begin(type: event, into: &output)
        output.appendJSONObject {
            $0.field("type", "error")
            $0.field("code", error.code)
            $0.field("message", error.message)
            $0.field("param", error.param)
        }
        ServerSentEventWriter.end(into: &output)
    }

    /// The Chat Completions form: SDKs raise it.
    static func appendChat(_ error: APIError, into output: inout ByteBuffer) {
        ServerSentEventWriter.begin(into: &output)
        output.appendJSONObject { $0.object("error") { error.write(to: &$0) } }
        ServerSentEventWriter.end(into: &output)
    }
}
