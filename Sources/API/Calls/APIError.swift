import Bytes
package import HTTP
package import JSON
package import Sessions

/// An error in the format of OpenAI's API: `{"error":{"message","type","param","code"}}` and a status.
public struct APIError: Error, Sendable {
    /// HTTP status.
    package var status: HTTPStatus
    /// What is wrong, and what the client can do.
    package var message: String
    /// OpenAI's `type`.
    package var type = "invalid_request_error"
    /// The member of the request that is wrong.
    package var param: String?
    /// A code for programs.
    package var code: String?
    /// Delay before a retry, in seconds; nil for none.
    package var retryAfterSeconds: Double?
    /// Header fields sent with the error.
    package var fields: [(name: String, value: String)] = []
    /// Label of a failed WebSocket handshake, for counters.
    var handshakeLabel: String?

    /// 400: the request is invalid.
    package static func invalid(_ message: String, param: String? = nil, code: String? = nil) -> APIError {
        APIError(status: .badRequest, message: message, param: param, code: code)
    }

    /// 404: the caller has no such object.
    package static func notFound(_ what: String, id: String, code: String) -> APIError {
        APIError(status: .notFound, message: "No \(what) with id '\(id)' is here, or it is not yours.", code: code)
    }

    /// 503: the server is shutting down.
    package static var shuttingDown: APIError {
        APIError(
            status: .serviceUnavailable, message: "The server is shutting down. Try again.", type: "server_error",
            code: "shutting_down", retryAfterSeconds: 1)
    }

    /// 503: the memory budget is exhausted.
    package static var overloaded: APIError {
        APIError(
            status: .serviceUnavailable, message: "The server holds as much for its clients as it may. Try again later.",
            type: "server_error", code: "overloaded", retryAfterSeconds: 5)
    }

    /// 400: JSON whose values would take up many times its bytes.
    package static var tooManyValues: APIError {
        .invalid(
            "The body has more than \(JSONLimits.received.maxValueCount) JSON values (numbers, strings, arrays, objects, …). Send fewer, or larger ones.",
            code: "too_many_values")
    }

    /// An error with these members.
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

    /// The same error with a member renamed, for a face with another name for it.
    package func renamingParam(_ old: String, to new: String) -> APIError {
        guard let param, param == old || param.hasPrefix(old + "[") else { return self }
        var error = self
        error.param = new + param.dropFirst(old.count)
        return error
    }

    /// 400 for an invalid part of a request.
    package init(_ error: RequestError) {
        self = .invalid(error.message, param: error.param, code: error.code)
    }

    /// The error of a failed generation.
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

    /// The response body.
    package var body: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { $0.object("error") { self.write(to: &$0) } }
        return buffer.array
    }
}

/// A validated part of a request, or the error that refuses the request.
package func checked<Value>(_ value: @autoclosure () throws(RequestError) -> Value) throws(APIError) -> Value {
    do throws(RequestError) {
        return try value()
    } catch {
        throw APIError(error)
    }
}
