import API
import Upstreams

extension RoutingReport {
    /// Writes the families of single upstreams, and of their queue.
    func write(to page: inout MetricsText) {
        var attempts: [(MetricsText.Labels, UInt64)] = []
        var states: [(MetricsText.Labels, Double)] = []
        var changes: [(MetricsText.Labels, UInt64)] = []
        for upstream in upstreams {
            let name = upstream.configuration.name
            for (outcome, count) in upstream.outcomes.sorted(by: { $0.key < $1.key }) {
                attempts.append(([("upstream", name), ("outcome", outcome)], count))
            }
            for state in ["closed", "open", "half_open"] {
                states.append(([("upstream", name), ("state", state)], upstream.state == state ? 1 : 0))
                changes.append(([("upstream", name), ("state", state)], upstream.transitions[state] ?? 0))
            }
        }
        page.counter("interject_upstream_attempts_total", "Requests that are over, by upstream and outcome.", attempts)
        page.gauge("interject_upstream_state", "1 for the state that the upstream's circuit breaker is in.", states)
        page.counter("interject_upstream_state_changes_total", "Times that a circuit breaker came to a state.", changes)
        page.gauge(
            "interject_upstream_resting", "1 while the upstream is left alone because it asked for that (429, 503).",
            upstreams.map { ([("upstream", $0.configuration.name)], $0.restsFor == nil ? 0 : 1) })
        page.gauge(
            "interject_upstream_in_flight", "Requests under way.",
            upstreams.map { ([("upstream", $0.configuration.name)], Double($0.inFlight)) })
        page.gauge("interject_upstream_waiting", "Requests that wait because every upstream is at its limit.", waiting)
        page.counter(
            "interject_upstream_waits_total", "Waits that are over, by their end; queue_full: too many waited already.",
            waits.sorted { $0.key < $1.key }.map { ([("end", $0.key)], $0.value) })
    }
}
