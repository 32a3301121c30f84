import API
import HTTP
import JSON
import Jobs

/// OpenAI's Files API: `Protocols/files.md`.
package enum FilesFace {
    /// `POST /v1/files`. Called before the body is here.
    static func create(_ call: Call) throws(APIError) {
        let library = try call.services.faces.requireJobs().files
        let reception: FileReception
        do throws(MultipartError) {
            reception = FileReception(
                call, library, try MultipartParser(contentType: call.request.fields["content-type"] ?? ""))
        } catch {
            throw .invalid(error.description, code: "invalid_form")
        }
        reception.start()
    }

    /// `GET /v1/files`
    static func list(_ call: Call) throws(APIError) {
        let library = try call.services.faces.requireJobs().files
        let order = call.query["order"] ?? "desc"
        guard order == "asc" || order == "desc" else {
            throw .invalid("'order' must be 'asc' or 'desc'.", param: "order", code: "invalid_value")
        }
        let query = FileQuery(
            owner: call.owner, purpose: call.query["purpose"], after: call.query["after"],
            limit: try call.limit(default: 10_000, max: 10_000), isAscending: order == "asc")
        call.respondLater { () throws(JobError) in
            let (page, hasMore) = try await library.files(query)
            return JSONAnswer { object in
                object.field("object", "list")
                object.array("data") { list in for file in page { list.object { file.write(to: &$0) } } }
                object.field("first_id", page.first?.id)
                object.field("last_id", page.last?.id)
                object.field("has_more", hasMore)
            }
        }
    }

    /// `GET /v1/files/{id}`
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let library = try call.services.faces.requireJobs().files
        let owner = call.owner
        call.respondLater { () throws(JobError) in
            let file = try await library.file(id, owner: owner)
            return JSONAnswer { file.write(to: &$0) }
        }
    }

    /// `DELETE /v1/files/{id}`
    static func delete(_ call: Call, id: String) throws(APIError) {
        let library = try call.services.faces.requireJobs().files
        let owner = call.owner
        call.respondLater { () throws(JobError) in
            try await library.delete(id, owner: owner)
            return JSONAnswer {
                $0.field("id", id)
                $0.field("object", "file")
                $0.field("deleted", true)
            }
        }
    }

    /// `GET /v1/files/{id}/content`
    static func content(_ call: Call, id: String) throws(APIError) {
        let library = try call.services.faces.requireJobs().files
        let owner = call.owner
        call.later { () throws(JobError) in
            let file = try await library.file(id, owner: owner)
            return (file, try library.open(file))
        } then: { call, found in
            FileDownload(call, found.0, found.1).start()
        }
    }
}
