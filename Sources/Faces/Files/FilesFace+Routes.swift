package import API
import HTTP

extension FilesFace {
    private static let label = "files"

    package var routes: [Route] {
        let label = Self.label
        return [
            Route(
                .post, "/v1/files", label: label, scope: .files, admission: .newWork, idempotency: .received,
                body: .streamed(maxBytes: maxFormBytes), create),
            Route(.get, "/v1/files", label: label, scope: .files, list),
            Route(.get, "/v1/files/{file_id}", label: label, scope: .files, retrieve),
            Route(.delete, "/v1/files/{file_id}", label: label, scope: .files, admission: .writes, delete),
            Route(.get, "/v1/files/{file_id}/content", label: label, scope: .files, content),
        ]
    }
}
