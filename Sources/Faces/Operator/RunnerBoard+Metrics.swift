import API
import Runners

extension RunnerBoard.Statistics {
    /// Writes the families of external runners.
    func write(to page: inout MetricsText) {
        page.gauge(
            "interject_runner_requests", "Responses for runners that have not ended, by where they are.",
            [([("state", "waiting")], Double(offered)), ([("state", "leased")], Double(leased))])
        page.gauge("interject_runner_polls", "Runners that wait for work.", waitingRunners)
        page.counter("interject_runner_leases_total", "Times that a runner took a response.", leases)
        page.counter(
            "interject_runner_failures_total",
            "Responses that no runner took, or too many waited for, and leases whose runner fell silent, by code.",
            ["no_runner", "runner_busy", "runner_lost"].map { ([("code", $0)], failures[$0] ?? 0) })
    }
}
