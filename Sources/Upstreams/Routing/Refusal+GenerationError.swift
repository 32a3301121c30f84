import Sessions

extension RouteTable.Refusal {
    /// The refusal in one word, for logs.
    var label: String {
        switch self {
        case .busy: "busy"
        case .unhealthy: "unhealthy"
        }
    }

    /// The refusal as an error for clients. See `Protocols/upstreams.md`, Faults.
    func generationError(model: String) -> GenerationError {
        switch self {
        case .busy(let seconds):
            GenerationError(
                code: "upstream_busy",
                message: "Every upstream for the model \(model.prefix(200)) is at its limit. Try again later.", status: 429,
                type: "rate_limit_error", retryAfterSeconds: seconds)
        case .unhealthy(let seconds):
            .server(
                "no_healthy_upstream", 503,
                "Every upstream for the model \(model.prefix(200)) failed too often and is left alone for a while.", seconds)
        }
    }
}
