import API
import HTTP
import JSON
package import Jobs

/// OpenAI's Files API: `Protocols/files.md`.
package struct FilesFace: Sendable {
    /// nil where nothing is stored.
    private let library: FileLibrary?
    private let limits: FileLimits

    /// - Parameter library: nil where nothing is stored.
    package init(_ library: FileLibrary?, limits: FileLimits) {
        self.library = library
        self.limits = limits
    }

    /// Bytes that a form with a file may have.
    var maxFormBytes: Int { limits.maxFileBytes + FileReception.maxFormBytes }

    /// - Throws: 501 where nothing is stored.
    private func requireLibrary() throws(APIError) -> FileLibrary {
        guard let library else { throw .nothingIsStored }
        return library
    }

    /// `POST /v1/files`. Called before the body is here.
    func create(_ call: Call) throws(APIError) {
        let library = try requireLibrary()
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
    func list(_ call: Call) throws(APIError) {
        let library = try requireLibrary()
        let order = call.query["order"] ?? "desc"
        guard order == "asc" || order == "desc" else {
            throw .invalid("'order' must be 'asc' or 'desc'.", param: "order", code: "invalid_value")
        }
        let query = FileQuery(
            owner: call.owner, purpose: call.query["purpose"], after: call.query["after"],
            limit: try call.limit(default: 10_000, max: 10_000), isAscending: order == "asc")
        call.respondLater { () throws(JobError) in
            let (page, hasMore) = try await library.files(query)
            return .list(page, id: \.id, hasMore: hasMore) { $0.write(to: &$1) }
        }
    }

    /// `GET /v1/files/{id}`
    func retrieve(_ call: Call, id: String) throws(APIError) {
        let library = try requireLibrary()
        let owner = call.owner
        call.respondLater { () throws(JobError) in
            let file = try await library.file(id, owner: owner)
            return JSONAnswer { file.write(to: &$0) }
        }
    }

    /// `DELETE /v1/files/{id}`
    func delete(_ call: Call, id: String) throws(APIError) {
        let library = try requireLibrary()
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
    func content(_ call: Call, id: String) throws(APIError) {
        let library = try requireLibrary()
        let owner = call.owner
        call.later { () throws(JobError) in
            let file = try await library.file(id, owner: owner)
            return (file, try library.open(file))
        } then: { call, found in
            FileDownload(call, found.0, found.1).start()
        }
    }
}
