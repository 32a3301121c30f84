package import API
import Access
import HTTP

extension UsageFace {
    package var routes: [Route] {
        [
            Route(.get, "/v1/usage", scope: .one(.usage), report),
            Route(.get, "/v1/organization/usage/completions", scope: .one(.usage), report),
        ]
    }
}
