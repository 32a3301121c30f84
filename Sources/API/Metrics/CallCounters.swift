import HTTP

/// Counts the HTTP responses to one loop's calls. Confined to that loop; summed when read.
///
/// Plain integers, not the swift-metrics facade, where each counter is an existential from a process-wide factory and adds
/// atomically on every message. These cost one addition, and are read on the loop that writes them.
package struct CallCounters: Sendable {
    /// HTTP responses by label (its index in ``RouteTable/labels``) and first digit of the status; as long as the highest label
    /// counted so far requires.
    private var requests: [UInt64] = []
    /// Failed WebSocket handshakes, by reason.
    package private(set) var handshakeFailures: [String: UInt64] = [:]

    mutating func countAnswer(_ label: UInt8, _ status: HTTPStatus) {
        let index = Int(label) * 6 + min(5, status.code / 100)
        while requests.count <= index { requests.append(0) }
        requests[index] += 1
    }

    /// Number of HTTP responses.
    /// - Parameter statusClass: first digit of the status.
    package func requests(label: Int, statusClass: Int) -> UInt64 {
        let index = label * 6 + statusClass
        return index < requests.count ? requests[index] : 0
    }

    mutating func countHandshakeFailure(_ reason: String) { handshakeFailures[reason, default: 0] += 1 }
}
