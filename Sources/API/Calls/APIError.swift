import Bytes
package import HTTP
package import JSON
package import Sessions

/// An error as clients of OpenAI's API know it: `{"error":{"message","type","param","code"}}` and a status.
public struct APIError: Error, Sendable {
    package var status: HTTPStatus
    package var message: String
    package var type = "invalid_request_error"
    package var param: String?
    package var code: String?
    /// Seconds after which it may be tried again.
    package var retryAfterSeconds: Double?
    /// Header fields that belong to the status.
    package var fields: [(name: String, value: String)] = []
    /// What was wrong with a WebSocket handshake, in a word for counters.
    var handshakeLabel: String?

    package static func invalid(_ message: String, param: String? = nil, code: String? = nil) -> APIError {
        APIError(status: .badRequest, message: message, param: param, code: code)
    }

    package static func notFound(_ what: String, id: String, code: String) -> APIError {
        APIError(status: .notFound, message: "No \(what) with id '\(id)' is here, or it is not yours.", code: code)
    }

    package static var shuttingDown: APIError {
        APIError(
            status: .serviceUnavailable, message: "The server is shutting down. Try again.", type: "server_error",
            code: "shutting_down", retryAfterSeconds: 1)
    }

    /// The memory budget is used up.
    package static var overloaded: APIError {
        APIError(
            status: .serviceUnavailable, message: "The server holds as much for its clients as it may. Try again later.",
            type: "server_error", code: "overloaded", retryAfterSeconds: 5)
    }

    /// JSON that would cost many times its bytes.
    package static var tooManyValues: APIError {
        .invalid(
            "The body has more than \(JSONLimits.received.maxValueCount) JSON values (numbers, strings, arrays, objects, …). Send fewer, or larger ones.",
            code: "too_many_values")
    }

    package init(
        status: HTTPStatus, message: String, type: String = "invalid_request_error", param: String? = nil, code: String? = nil,
        retryAfterSeconds: Double? = nil, fields: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retryAfterSeconds = retryAfterSeconds
        self.fields = fields
    }

    /// The same of a member that another face calls by another name.
    package func renamingParam(_ old: String, to new: String) -> APIError {
        guard let param, param == old || param.hasPrefix(old + "[") else { return self }
        var error = self
        error.param = new + param.dropFirst(old.count)
        return error
    }

    package init(_ error: RequestError) {
        self = .invalid(error.message, param: error.param, code: error.code)
    }

    package init(_ error: GenerationError) {
        self.init(
            status: HTTPStatus(error.status), message: error.message, type: error.type, param: error.param, code: error.code,
            retryAfterSeconds: error.retryAfterSeconds, fields: error.forbidsRetry ? [("x-should-retry", "false")] : [])
    }

    /// Writes the members of the `error` object.
    package func write(to writer: inout JSONObjectWriter) {
        writer.field("message", message)
        writer.field("type", type)
        writer.field("param", param)
        writer.field("code", code)
    }

    /// The whole body of an answer.
    package var body: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { $0.object("error") { self.write(to: &$0) } }
        return buffer.array
    }
}

/// A part of a request, read and checked, or the answer that refuses the request.
package func checked<Value>(_ value: @autoclosure () throws(RequestError) -> Value) throws(APIError) -> Value {
    do throws(RequestError) {
        return try value()
    } catch {
        throw APIError(error)
    }
}
