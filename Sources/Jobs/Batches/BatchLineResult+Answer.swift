import Bytes
import JSON
import Sessions

extension BatchLineResult {
    /// The answer as a line in OpenAI's format.
    init(line: Int, customID: String, answer: BatchAnswer) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { object in
            object.field("id", Identifier.make("batch_req_"))
            object.field("custom_id", customID)
            object.object("response") { response in
                response.field("status_code", answer.status)
                response.field("request_id", answer.requestID)
                answer.body.withUnsafeBytes { response.field("body", json: $0) }
            }
            object.null("error")
        }
        self.init(
            line: line, isFailed: !answer.isSuccess, output: buffer.array,
            usage: answer.isSuccess ? BatchUsage(answer: (try? JSONValue.parse(answer.body, limits: .own)) ?? [:]) : BatchUsage())
    }

    /// An error line for a request without an answer.
    init(line: Int, customID: String, code: String, message: String) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { object in
            object.field("id", Identifier.make("batch_req_"))
            object.field("custom_id", customID)
            object.null("response")
            object.object("error") {
                $0.field("code", code)
                $0.field("message", message)
            }
        }
        self.init(line: line, isFailed: true, output: buffer.array)
    }
}
