import HTTP

/// How the calls of one loop were answered. Confined to that loop; the sum is made when it is asked for.
///
/// Our own plain numbers and not the swift-metrics facade: there each counter is an existential that is reached through a factory
/// of the whole process and adds atomically, which is paid on every message; these cost one addition, and everything that is
/// read is read on the loop that wrote it.
package struct CallCounters: Sendable {
    /// Answers by label (its index in ``RouteTable/labels``) and first digit of the status; as long as the last label that was counted.
    private var requests: [UInt64] = []
    /// Requests for a WebSocket that did not become one, by reason.
    package private(set) var handshakeFailures: [String: UInt64] = [:]

    mutating func countAnswer(_ label: UInt8, _ status: HTTPStatus) {
        let index = Int(label) * 6 + min(5, status.code / 100)
        while requests.count <= index { requests.append(0) }
        requests[index] += 1
    }

    package func requests(label: Int, statusClass: Int) -> UInt64 {
        let index = label * 6 + statusClass
        return index < requests.count ? requests[index] : 0
    }

    mutating func countHandshakeFailure(_ reason: String) { handshakeFailures[reason, default: 0] += 1 }
}
