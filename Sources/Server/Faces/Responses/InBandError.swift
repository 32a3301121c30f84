import Bytes
import HTTP
import JSON

/// Errors told within a stream whose status is sent already.
enum InBandError {
    /// The Responses form: flat, so that SDKs give it to the program as an event.
    static func append(_ error: APIError, event: StaticString = "error", into output: inout ByteBuffer) {
        output.append("event: " as StaticString)
        output.append(event)
        output.append("\ndata: " as StaticString)
        output.appendJSONObject {
            $0.field("type", "error")
            $0.field("code", error.code)
            $0.field("message", error.message)
            $0.field("param", error.param)
        }
        output.append("\n\n" as StaticString)
    }

    /// The Chat Completions form: SDKs raise it.
    static func appendChat(_ error: APIError, into output: inout ByteBuffer) {
        output.append("data: " as StaticString)
        output.appendJSONObject { $0.object("error") { error.write(to: &$0) } }
        output.append("\n\n" as StaticString)
    }
}
