package import API
import HTTP

extension OperatorFace {
    package static let routes = [
        Route(.get, "/metrics", label: "operation", scope: .operatorKey, metrics),
        Route(.get, "/debug/connections", label: "operation", scope: .operatorKey, connections),
        Route(.get, "/debug/upstreams", label: "operation", scope: .operatorKey, UpstreamsReport.answer),
    ]
}
