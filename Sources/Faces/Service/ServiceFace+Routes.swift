package import API
import HTTP

extension ServiceFace {
    /// The routes of models and health checks.
    package static let routes = [
        Route(.get, "/healthz", label: "service", scope: .open, health),
        Route(.get, "/readyz", label: "service", scope: .open, readiness),
        Route(.get, "/v1/models", label: "models", scope: .anyKey, binding: .any, models),
        Route(.get, "/v1/models/{model}", label: "models", scope: .anyKey, binding: .any, model),
    ]
}
