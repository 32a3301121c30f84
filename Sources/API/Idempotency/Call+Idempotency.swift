import HTTP
import JSON
import Network
import SessionHosting
import Storage

extension Call {
    /// Stores the answer of a command with an idempotency key.
    /// - Parameter then: called on any thread when the answer may be sent.
    func keep(
        answerOf name: IdempotencyKeys.Name, _ status: HTTPStatus, _ json: [UInt8], fields: [(name: String, value: String)],
        then: @escaping @Sendable () -> Void
    ) {
        let members = (try? JSONValue.parse(json, limits: .own)) ?? .null
        let session = fields.first { $0.name == "Interject-Session" }?.value
        let answer = IdempotencyKeys.Answer(
            status: status.code, body: json, object: session ?? members["id"]?.string,
            quoted: members["interrupted"]?["response_id"]?.string)
        services.idempotency.setAnswer(name, answer, then: then)
        // If the session was deleted meanwhile, its answers were erased before this one was stored.
        if let session, services.sessions.resident(session) == nil { services.idempotency.erase([session]) }
    }
}
