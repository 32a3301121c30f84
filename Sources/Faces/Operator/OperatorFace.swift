import API
import Bytes
import HTTP
import JSON
import Network
import SessionHosting
import Upstreams

/// Metrics, connections and upstreams for the operator, without content. `Protocols/operations.md`.
package struct OperatorFace: Sendable {
    /// Maximum number of connections in one answer.
    private static let maxConnections = 10_000

    private let sources: OperatorSources

    package init(_ sources: OperatorSources) { self.sources = sources }

    /// `GET /metrics`
    func metrics(_ call: Call) {
        let wantsOpenMetrics = call.request.fields.prefers("application/openmetrics-text", over: "text/plain")
        let format: MetricsText.Format = wantsOpenMetrics ? .openMetrics : .prometheus
        Self.gather(call) { [sources] services in
            await MetricsPage.gather(services, sources).text(format)
        } then: { call, page in
            call.exchange.respond(.ok, contentType: format.contentType, fields: [("Cache-Control", "no-store")], body: page)
        }
    }

    /// `GET /debug/connections`
    func connections(_ call: Call) throws(APIError) {
        let limit = max(1, try call.count("limit", default: 1000, max: Self.maxConnections))
        Self.gather(call) { services in
            var reports: [ConnectionReport] = []
            for bound in services.sessions.loops { reports += await bound.call { $0.loop.connectionReports(limit: limit) } }
            return Self.json(reports.sorted { $0.age > $1.age }.prefix(limit))
        } then: { call, json in
            call.respond(json: json, fields: [("Cache-Control", "no-store")])
        }
    }

    /// `GET /debug/upstreams`
    func upstreams(_ call: Call) {
        call.respond(json: UpstreamsReport.json(sources.upstreams.report), fields: [("Cache-Control", "no-store")])
    }

    /// Gathers data from the loops, one after the other, off the caller's loop, and answers on it.
    private static func gather(
        _ call: Call, _ body: @escaping @Sendable (APIServices) async -> [UInt8],
        then: @escaping @Sendable (Call, [UInt8]) -> Void
    ) {
        let bound = LoopBound(call, on: call.loop)
        let services = call.services
        Task {
            let answer = await body(services)
            bound.run { then($0, answer) }
        }
    }

    private static func json(_ reports: some Collection<ConnectionReport>) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in
                for report in reports { data.object { write(report, to: &$0) } }
            }
        }
        return buffer.array
    }

    private static func write(_ report: ConnectionReport, to object: inout JSONObjectWriter) {
        object.field("id", report.id)
        object.field("peer", report.peer ?? "unix")
        object.field("protocol", report.kind.rawValue)
        object.field("age_ms", milliseconds(report.age))
        object.field("idle_ms", milliseconds(report.silence))
        object.field("bytes_in", Int(clamping: report.bytesReceived))
        object.field("bytes_out", Int(clamping: report.bytesSent))
        object.field("queue_bytes", report.queuedBytes)
        if let trip = report.roundTrip {
            object.field("rtt_us", Int(trip.nanoseconds / 1000))
        } else {
            object.null("rtt_us")
        }
        object.field("closing", report.isClosing)
        for count in report.counts { object.field(count.name, count.value) }
    }

    private static func milliseconds(_ duration: Duration) -> Int { Int(duration.nanoseconds / 1_000_000) }
}
