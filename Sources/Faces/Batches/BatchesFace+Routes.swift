package import API
import HTTP

extension BatchesFace {
    private static let label = "batches"

    package var routes: [Route] {
        let label = Self.label
        return [
            Route(
                .post, "/v1/batches", label: label, scope: .batches, admission: .newWork, idempotency: .answer, body: .json, create),
            Route(.get, "/v1/batches", label: label, scope: .batches, list),
            Route(.get, "/v1/batches/{batch_id}", label: label, scope: .batches, retrieve),
            // Also while nothing can be written: the running requests are stopped, and cost nothing more.
            Route(.post, "/v1/batches/{batch_id}/cancel", label: label, scope: .batches, cancel),
        ]
    }
}
