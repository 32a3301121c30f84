package import API
import HTTP

extension OperatorFace {
    package var routes: [Route] {
        [
            Route(.get, "/metrics", label: "operation", scope: .operatorKey, metrics),
            Route(.get, "/debug/connections", label: "operation", scope: .operatorKey, connections),
            Route(.get, "/debug/upstreams", label: "operation", scope: .operatorKey, upstreams),
        ]
    }
}
