import Bytes
import JSON
import Network
import Upstreams

/// `GET /debug/upstreams`: the upstreams and their health. No keys, no content.
enum UpstreamsReport {
    static func json(_ report: RoutingReport) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in
                for upstream in report.upstreams { data.object { write(upstream, to: &$0) } }
            }
            list.field("waiting", report.waiting)
            list.field("waits", Self.counts(report.waits))
        }
        return buffer.array
    }

    private static func write(_ upstream: RoutingReport.Upstream, to object: inout JSONObjectWriter) {
        let configuration = upstream.configuration
        object.field("name", configuration.name)
        object.field("url", configuration.publicURL)
        object.field("dialect", configuration.dialect.rawValue)
        object.field("priority", configuration.priority)
        object.field("weight", configuration.weight)
        object.field("state", upstream.state)
        object.field("open_ms", upstream.opensFor)
        object.field("rests_ms", upstream.restsFor)
        object.field("consecutive_failures", upstream.consecutiveFailures)
        object.field("in_flight", upstream.inFlight)
        object.field("max_concurrent_requests", configuration.limit.concurrentRequests)
        object.field("requests_per_minute", configuration.limit.requestsPerMinute)
        object.field("tokens_per_minute", configuration.limit.tokensPerMinute)
        object.field("outcomes", counts(upstream.outcomes))
    }

    private static func counts(_ counts: [String: UInt64]) -> JSONValue {
        .object(JSONObject(counts.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
    }
}

extension JSONObjectWriter {
    fileprivate mutating func field(_ name: StaticString, _ count: Int?) {
        if let count { field(name, count) } else { null(name) }
    }

    /// Writes a duration in whole milliseconds.
    fileprivate mutating func field(_ name: StaticString, _ duration: Duration?) {
        field(name, duration.map { Int($0.nanoseconds / 1_000_000) })
    }
}

extension UpstreamConfiguration {
    /// The URL without user, password and query, which may contain secrets.
    fileprivate var publicURL: String {
        let scheme = baseURL.lowercased().hasPrefix("https:") ? "https" : "http"
        return "\(scheme)://\(HTTPClientRequest.authority(of: baseURL))"
    }
}
