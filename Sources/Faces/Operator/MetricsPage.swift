import API
import Access
import Bytes
import Hosting
import Jobs
import Network
import Runners
import SessionHosting
import Upstreams

/// The page of `GET /metrics`: the counters of all loops, by family. Documented in `Protocols/operations.md`.
struct MetricsPage: Sendable {
    /// ``RouteTable/labels``.
    let labels: [String]
    let loops: [LoopSnapshot]
    let refusals: [AcceptGate.Refusal: UInt64]
    let heldBytes: Int
    let budgetBytes: Int
    let isReady: Bool
    /// Wrong keys so far.
    let failedAttempts: UInt64
    /// Generations refused by a limit of their key, by limit.
    let limited: [String: UInt64]
    /// Nil without TLS.
    let tls: TLSServerContext?
    let routing: RoutingReport
    let webhooks: WebhookStatistics
    let runners: RunnerBoard.Statistics
    /// Nil without a store.
    let store: StoreReport?

    /// Gathers what all loops have counted, one loop after the other.
    static func gather(_ services: APIServices, _ sources: OperatorSources) async -> MetricsPage {
        var loops: [LoopSnapshot] = []
        for (sessions, upstreams) in zip(services.sessions.loops, sources.upstreamCounters) {
            loops.append(
                await sessions.call { LoopSnapshot($0, services.calls(on: $0.loop), upstreams.value) })
        }
        return MetricsPage(
            labels: services.routes.labels, loops: loops, refusals: sources.gate.refusals, heldBytes: sources.budget.heldBytes,
            budgetBytes: sources.budget.limitBytes, isReady: services.lifecycle.stage == .serving,
            failedAttempts: services.authentication.attempts.total, limited: services.metering.refusals, tls: sources.tls,
            routing: sources.upstreams.report, webhooks: await sources.webhooks.statistics(),
            runners: sources.runners.statistics,
            store: services.store.map(StoreReport.init))
    }

    func text(_ format: MetricsText.Format) -> [UInt8] {
        var page = MetricsText(format)
        writeConnections(to: &page)
        if let tls { writeTLS(tls, to: &page) }
        writeWebSockets(to: &page)
        writeWork(to: &page)
        writeAccess(to: &page)
        writeUpstreams(to: &page)
        routing.write(to: &page)
        writeWebhooks(to: &page)
        runners.write(to: &page)
        store?.write(to: &page)
        writeResources(to: &page)
        return page.finished()
    }

    private func sum(_ value: (LoopSnapshot) -> UInt64) -> UInt64 { loops.reduce(0) { $0 + value($1) } }
    private func sum(_ value: (LoopSnapshot) -> Int) -> Int { loops.reduce(0) { $0 + value($1) } }

    private func sum(_ value: (LoopSnapshot) -> Histogram, _ scale: Histogram.Scale) -> Histogram {
        var total = Histogram(scale)
        for loop in loops { total.add(value(loop)) }
        return total
    }

    private func sum<Key: Hashable>(_ value: (LoopSnapshot) -> [Key: UInt64]) -> [Key: UInt64] {
        loops.reduce(into: [:]) { $0.merge(value($1), uniquingKeysWith: +) }
    }

    /// One sample for each key, in order, so that scrapes can be compared.
    private func samples<Key: Comparable>(_ label: String, _ counts: [Key: UInt64]) -> [(MetricsText.Labels, UInt64)] {
        counts.sorted { $0.key < $1.key }.map { ([(label, "\($0.key)")], $0.value) }
    }

    private func writeAccess(to page: inout MetricsText) {
        page.counter("interject_failed_keys_total", "Wrong keys that were shown.", failedAttempts)
        page.counter(
            "interject_rate_limited_total", "Generations refused by a limit of their key, by limit.",
            RateLimiter.Refusal.Limit.allCases.map { ([("limit", $0.rawValue)], limited[$0.rawValue] ?? 0) })
    }

    private func writeConnections(to page: inout MetricsText) {
        page.gauge(
            "interject_connections_open", "Open connections by what they speak now.",
            [
                ([("protocol", "http")], Double(sum { $0.census.http })),
                ([("protocol", "sse")], Double(sum { $0.census.eventStreams })),
                ([("protocol", "websocket")], Double(sum { $0.census.webSockets })),
            ])
        page.counter(
            "interject_connections_total",
            "Connections taken (http), streams of server-sent events begun (sse), connections that became a WebSocket.",
            [
                ([("protocol", "http")], sum { $0.network.connections }),
                ([("protocol", "sse")], sum { $0.network.eventStreams }),
                ([("protocol", "websocket")], sum { $0.network.webSockets }),
            ])
        page.counter(
            "interject_connections_refused_total", "New connections over a limit, by limit.",
            AcceptGate.Refusal.allCases.map { ([("reason", $0.rawValue)], refusals[$0] ?? 0) })
        page.counter(
            "interject_messages_total", "Messages by protocol and direction; for sse events, heartbeats among them.",
            [
                ([("protocol", "websocket"), ("direction", "in")], sum { $0.network.webSocketMessagesReceived }),
                ([("protocol", "websocket"), ("direction", "out")], sum { $0.network.webSocketMessagesSent }),
                ([("protocol", "sse"), ("direction", "out")], sum { $0.network.eventsSent }),
            ])
        page.counter(
            "interject_received_bytes_total", "Bytes from clients.",
            sum { $0.network.bytesReceived &+ $0.census.bytesReceived })
        page.counter("interject_sent_bytes_total", "Bytes to clients.", sum { $0.network.bytesSent &+ $0.census.bytesSent })
        page.gauge("interject_queue_bytes", "Output that waits for clients.", sum { $0.census.queuedBytes })
        page.counter(
            "interject_queue_stalls_total", "Times that output began to wait because its client did not take it.",
            sum { $0.network.stalls })
        page.counter(
            "interject_queue_pauses_total",
            "Times that a reader of a log was paused until its client had taken what waits, by queue policy.",
            [([("policy", "lossless")], sum { $0.network.readerPauses })])
        page.counter(
            "interject_queue_events_replaced_total",
            "Events that readers which lagged did not get one by one, by queue policy: joined to others, or gone from the log.",
            samples("policy", sum { $0.sessionCounters.caughtUp }))
    }

    private func writeTLS(_ tls: TLSServerContext, to page: inout MetricsText) {
        let handshakes = tls.handshakeCounts
        page.counter(
            "interject_tls_handshakes_total", "TLS handshakes that succeeded: whole ones, and those resumed by a ticket.",
            [
                ([("kind", "full")], UInt64(max(0, handshakes.total - handshakes.resumed))),
                ([("kind", "resumed")], UInt64(handshakes.resumed)),
            ])
        let kernel = tls.kernelCounts
        page.counter(
            "interject_tls_kernel_total",
            "TLS connections whose sent or received bytes the kernel takes care of (kTLS); 0 where it cannot.",
            [([("direction", "send")], UInt64(kernel.sends)), ([("direction", "receive")], UInt64(kernel.receives))])
        let failures = tls.failureCounts.map { ($0.key.rawValue, UInt64($0.value)) }
        page.counter(
            "interject_tls_failures_total", "TLS handshakes that failed and connections that broke, by reason.",
            samples("reason", Dictionary(failures, uniquingKeysWith: +)))
    }

    private func writeWebSockets(to page: inout MetricsText) {
        page.counter(
            "interject_websocket_closes_sent_total", "Close frames sent, by code; codes from 3000 and from 4000 on as these.",
            samples("code", sum { $0.network.closeCodesSent }))
        page.counter(
            "interject_websocket_closes_received_total",
            "Ends of WebSockets by the peer's code, those from 3000 and from 4000 on as these; 1005: none in its close frame, 1006: no close frame.",
            samples("code", sum { $0.network.closeCodesReceived }))
        page.counter(
            "interject_websocket_handshake_failures_total", "Requests that did not become a WebSocket, by reason.",
            samples("reason", sum { $0.calls.handshakeFailures }))
        page.counter(
            "interject_websocket_ping_timeouts_total", "WebSockets dropped because the peer was silent.",
            sum { $0.network.pingTimeouts })
        page.histogram(
            "interject_websocket_round_trip_seconds", "From a ping to its pong.", [([], sum({ $0.network.roundTrips }, .short))])
    }

    private func writeWork(to page: inout MetricsText) {
        var answers: [(MetricsText.Labels, UInt64)] = []
        for (index, label) in labels.enumerated() {
            for digit in 1...5 {
                let count = sum { $0.calls.requests(label: index, statusClass: digit) }
                if count > 0 { answers.append(([("face", label), ("status", "\(digit)xx")], count)) }
            }
        }
        page.counter("interject_http_requests_total", "HTTP requests answered, by face and class of the status.", answers)
        page.gauge("interject_sessions", "Sessions in memory.", sum { $0.sessions })
        page.gauge("interject_generations_active", "Responses that run.", sum { $0.activeGenerations })
        page.gauge("interject_generations_queued", "Responses that wait for the one before them.", sum { $0.queuedGenerations })
        page.counter(
            "interject_generations_total", "Responses that ended, by outcome.",
            samples("outcome", sum { $0.sessionCounters.generations }))
        page.histogram(
            "interject_interrupt_seconds",
            "From the command that cuts a response, on its session's loop, until the upstream is closed and the acknowledgement written.",
            [([], sum({ $0.sessionCounters.interruptLatency }, .short))])
    }

    private func writeUpstreams(to page: inout MetricsText) {
        page.counter(
            "interject_upstream_requests_total", "Requests to upstreams that are over, by outcome; each attempt counts.",
            samples("outcome", sum { $0.upstreamRequests }))
        page.counter("interject_upstream_retries_total", "Attempts after the first.", sum { $0.upstreamRetries })
        page.histogram(
            "interject_upstream_first_token_seconds", "From the start of an attempt to the first piece of its answer.",
            [([], sum({ $0.timeToFirstToken }, .long))])
    }

    private func writeWebhooks(to page: inout MetricsText) {
        page.counter(
            "interject_webhook_attempts_total", "Requests to webhook endpoints that are over, by result.",
            samples("result", webhooks.attempts))
        page.counter(
            "interject_webhook_deliveries_dropped_total", "Deliveries given up because too many of one owner waited.",
            webhooks.dropped)
        page.gauge("interject_webhook_deliveries_pending", "Deliveries that wait or are under way.", webhooks.pending)
        page.gauge("interject_webhook_deliveries_in_flight", "Deliveries under way.", webhooks.inFlight)
        page.gauge(
            "interject_webhook_endpoints", "Webhook endpoints by whether they are told.",
            [
                ([("state", "enabled")], Double(webhooks.enabledEndpoints)),
                ([("state", "disabled")], Double(webhooks.disabledEndpoints)),
            ])
    }

    private func writeResources(to page: inout MetricsText) {
        page.histogram(
            "interject_loop_lag_seconds", "Turns of each event loop: as long does what is ready wait for its own.",
            loops.map { ([("loop", "\($0.index)")], $0.network.turns) })
        page.gauge(
            "interject_loop_longest_hold_seconds",
            "Most processor time that one iteration of each event loop has taken since the start.",
            loops.map { ([("loop", "\($0.index)")], Double($0.network.longestHoldNanoseconds) / 1e9) })
        page.gauge("interject_log_bytes", "Bytes of the logs and conversations of all sessions.", sum { $0.logBytes })
        page.gauge(
            "interject_memory_held_bytes",
            "Log bytes, waiting output and half-received input, as the memory budget counts them.", heldBytes)
        page.gauge("interject_memory_budget_bytes", "Above this new work is refused.", budgetBytes)
        page.counter(
            "interject_overload_refusals_total", "New work refused because of the memory budget.",
            sum { $0.sessionCounters.overloads })
        page.gauge("interject_ready", "1 while new work is taken.", isReady ? 1 : 0)
        let process = ProcessStatistics()
        page.counter("process_cpu_seconds_total", "CPU time, user and system.", seconds: process.cpuSeconds)
        page.gauge("process_resident_memory_bytes", "Resident memory.", process.residentBytes)
        page.gauge("process_open_fds", "Open file descriptors.", process.openDescriptors)
        page.gauge("process_max_fds", "File descriptors that may be open.", process.maxDescriptors)
        page.gauge(
            "process_start_time_seconds", "Start of the process, in seconds since 1970.", [([], process.startTimeSeconds)])
    }
}
