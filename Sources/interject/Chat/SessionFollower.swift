import HTTP
import JSON
import Network
import Sessions

/// Follows a session over a connection that may be lost and restored. Called on the loop.
protocol SessionFollower: AnyObject {
    /// An event of the log with its position, or an event for this connection only.
    func received(_ event: SessionEvent, position: LogPosition?)
    /// The connection was made or restored.
    func connected()
    /// The connection was lost; the next attempt follows after `delay`.
    func disconnected(_ reason: String, retryIn delay: Duration)
    /// No further attempts are made. The last call.
    func gaveUp(_ reason: String)
}

/// A session on a server, with the credentials to use it.
struct SessionTarget: Sendable {
    var server: ServerURL
    var key: String?
    var sessionID: String

    /// Header fields of each request.
    var fields: [(name: String, value: String)] {
        key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    }

    /// The path of the session's resources.
    var path: String { "/v1/sessions/\(sessionID)" }

    /// The text of a refusal: the error's message or the status, and a remedy.
    func refusal(status: Int, body: [UInt8]) -> String {
        if status == 401, key == nil {
            return "the server requires a key: give --api-key KEY, or read it with --api-key env:NAME or file:PATH"
        }
        if status == 400, let advice = server.advice(badRequest: String(decoding: body, as: UTF8.self)) { return advice }
        let message = (try? JSONValue.parse(body))?["error"]?["message"]?.string
        return message.map { "\($0) (status \(status))" } ?? "the server answered with status \(status)"
    }

    /// Whether a retry may succeed.
    static func isTemporary(status: Int) -> Bool { status == 408 || status == 429 || status >= 500 }

    /// Whether a rejected command may succeed when sent again: the server is starting, stopping or overloaded.
    static func isTemporary(code: String) -> Bool {
        ["shutting_down", "overloaded", "storage_unavailable", "rate_limit_exceeded", "issuer_keys_pending"].contains(code)
    }
}
