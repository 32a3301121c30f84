package import API
import Access
import Bytes
import HTTP
import JSON
import Network
import Sessions

/// A protocol that is not among those of the server: notes that are kept in memory, and a socket that tells of each.
///
/// It stands for whatever face comes next: all there is of it is here, compiled against the API and the layers below it, and the one
/// line that adds its routes to a server's.
package enum NotesFace {
    package static let routes = [
        Route(
            .post, "/v1/notes", label: "notes", scope: .split(reads: .chat, writes: .chat), admission: .newWork,
            idempotency: .answer, body: .json, create),
        Route(.get, "/v1/notes/{note_id}", label: "notes", scope: .one(.chat), retrieve),
        Route(.get, "/v1/notes/{note_id}/words", label: "notes", scope: .one(.chat), words),
        .socket("/v1/notes", label: "notes", scope: .one(.chat), NotesSocket.opening),
    ]

    private static func create(_ call: Call) throws(APIError) {
        let body = try call.jsonBody()
        guard let text = try checked(try body.optionalString("text")) else { throw .invalid("'text' is missing.", param: "text") }
        call.respond(.created) {
            $0.field("id", Identifier.make("note_"))
            $0.field("text", text)
        }
    }

    private static func retrieve(_ call: Call, note: String) throws(APIError) {
        throw .notFound("note", id: note, code: "note_not_found")
    }

    /// A stream that goes on until its client goes, or its key.
    private static func words(_ call: Call, note: String) {
        let stream = EventStream(
            call, errors: .init(append: { error, output in output.append("event: \(error.code ?? "")\n\n") }, isDone: false))
        call.exchange.onDisconnect = { stream.stopHeartbeats() }
        stream.begin(fields: [])
    }
}
