import API
import JSON
import ResponsesWire
import Sessions

/// A message of a client, read and checked as far as that needs nothing of the server: off the loop, if it is large.
struct SocketCommand: Sendable {
    /// What it asks for.
    enum Kind: Sendable {
        case create(Result<CreateCommand, RequestError>)
        case steer(Result<[Item], RequestError>)
        case input(Result<SessionInput, RequestError>)
        /// Any other, which is short.
        case other
    }

    let body: JSONObject
    let kind: Kind

    /// - Throws: for what is no command at all.
    init(_ text: UnsafeRawBufferPointer) throws(APIError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(text, limits: .received)
        } catch {
            if error.reason == .tooManyValues { throw .tooManyValues }
            throw .invalid("The message is not valid JSON: \(error)", code: "invalid_json")
        }
        guard let object = value.object else { throw .invalid("A message must be a JSON object.", code: "invalid_json") }
        body = object
        kind =
            switch object["type"]?.string {
            case "response.create": .create(Result { () throws(RequestError) in try CreateCommand(object, byteCount: text.count) })
            case "response.steer": .steer(Result { () throws(RequestError) in try InputItems.ofSteer(object) })
            case "interject:input": .input(Result { () throws(RequestError) in try Self.input(object) })
            default: .other
            }
    }

    /// Who has joined speaks under that name: with whose the items are encoded is known only when it is their turn.
    private static func input(_ body: JSONObject) throws(RequestError) -> SessionInput {
        let request = try SessionInput(body)
        return request.participantName == nil ? request.prepared() : request
    }
}
