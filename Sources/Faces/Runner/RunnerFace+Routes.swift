package import API
import Access
import HTTP

extension RunnerFace {
    package var routes: [Route] {
        [
            Route(.get, "/v1/runner/work", scope: .one(.runner), work),
            Route(
                .post, "/v1/responses/{response_id}/events", label: "responses", scope: .one(.runner), binding: .response,
                body: .json, post),
            Route(
                .get, "/v1/responses/{response_id}/runner", label: "responses", scope: .one(.runner), binding: .response, watch),
        ]
    }
}
