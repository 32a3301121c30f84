import API
import JSON
import ResponsesWire
import Sessions

/// A message of a client, parsed and checked as far as possible without the server's state, so that a large one can be parsed off
/// the loop.
struct SocketCommand: Sendable {
    /// The kind of command.
    enum Kind: Sendable {
        case create(Result<CreateCommand, RequestError>)
        case steer(Result<[Item], RequestError>)
        case input(Result<SessionInput, RequestError>)
        /// Any other command; these are short.
        case other
    }

    let body: JSONObject
    let kind: Kind

    /// - Throws: if the message is not a JSON object, or has too many values.
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

    /// Items with a speaker's name are not encoded yet: a participant speaks under the name it joined with, and whether the client
    /// is one is known only when the command is handled.
    private static func input(_ body: JSONObject) throws(RequestError) -> SessionInput {
        let request = try SessionInput(body)
        return request.participantName == nil ? request.prepared() : request
    }
}
