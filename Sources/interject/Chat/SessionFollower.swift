import HTTP
import JSON
import Network
import Sessions

/// Follows a session over a connection that may drop and reconnect. Called on the loop.
protocol SessionFollower: AnyObject {
    /// An event of the log (with its position), or one for us alone.
    func received(_ event: SessionEvent, position: LogPosition?)
    /// The connection is there, for the first time or again.
    func connected()
    /// The connection was lost; it is made again after `delay`.
    func disconnected(_ reason: String, retryIn delay: Duration)
    /// There will be no connection: the last call.
    func gaveUp(_ reason: String)
}

/// Which session of which server, and as whom.
struct SessionPlace: Sendable {
    var server: ServerURL
    var key: String?
    var sessionID: String

    /// Header fields of each request.
    var fields: [(name: String, value: String)] {
        key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    }

    /// The path of the session's resources.
    var path: String { "/v1/sessions/\(sessionID)" }

    /// What a refusal says: its error's message, or its status; and what to do.
    func refusal(status: Int, body: [UInt8]) -> String {
        if status == 401, key == nil {
            return "the server wants a key: give --api-key KEY, or --api-key env:NAME or file:PATH where it stands"
        }
        if status == 400, let advice = server.advice(badRequest: String(decoding: body, as: UTF8.self)) { return advice }
        let message = (try? JSONValue.parse(body))?["error"]?["message"]?.string
        return message.map { "\($0) (status \(status))" } ?? "the server answered with status \(status)"
    }

    /// Whether asking again may help.
    static func isTemporary(status: Int) -> Bool { status == 408 || status == 429 || status >= 500 }

    /// Whether a command that was refused may be taken when it is sent again: the server starts, stops, or has no room.
    static func isTemporary(code: String) -> Bool {
        ["shutting_down", "overloaded", "storage_unavailable", "rate_limit_exceeded", "issuer_keys_pending"].contains(code)
    }
}
