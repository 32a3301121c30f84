package import API
import HTTP
import Jobs

extension FilesFace {
    private static let label = "files"

    package static let routes = [
        Route(
            .post, "/v1/files", label: label, scope: .files, admission: .newWork, idempotency: .received,
            body: .streamed { $0.fileLimits.maxFileBytes + FileReception.maxFormBytes }, create),
        Route(.get, "/v1/files", label: label, scope: .files, list),
        Route(.get, "/v1/files/{file_id}", label: label, scope: .files, retrieve),
        Route(.delete, "/v1/files/{file_id}", label: label, scope: .files, admission: .writes, delete),
        Route(.get, "/v1/files/{file_id}/content", label: label, scope: .files, content),
    ]
}
