import HTTP
import Network
import Sessions

/// What the faces and sessions of one loop have done. Confined to that loop; the sum is made when somebody asks.
///
/// Our own plain numbers and not the swift-metrics facade: there each counter is an existential that is reached through a factory
/// of the whole process and adds atomically, which is paid on every message; these cost one addition, and everything that is
/// read is read on the loop that wrote it.
struct ServerCounters: Sendable {
    /// Answers by label (its index in ``RouteTable/labels``) and first digit of the status; as long as the last label that was counted.
    private var requests: [UInt64] = []
    /// Requests for a WebSocket that did not become one, by reason.
    private(set) var handshakeFailures: [String: UInt64] = [:]
    /// Events that readers which lagged did not get one by one, by queue policy.
    private(set) var caughtUp: [String: UInt64] = [:]
    /// Responses that ended, by how.
    private(set) var generations: [String: UInt64] = [:]
    /// From the command on its session's loop until the upstream was closed and all that the turn wrote had left.
    var interruptLatency = Histogram(.short)
    /// New work refused because too much memory is held.
    var overloads: UInt64 = 0

    mutating func countAnswer(_ label: UInt8, _ status: HTTPStatus) {
        let index = Int(label) * 6 + min(5, status.code / 100)
        while requests.count <= index { requests.append(0) }
        requests[index] += 1
    }

    func requests(label: Int, statusClass: Int) -> UInt64 {
        let index = label * 6 + statusClass
        return index < requests.count ? requests[index] : 0
    }

    mutating func countHandshakeFailure(_ reason: String) { handshakeFailures[reason, default: 0] += 1 }

    mutating func countCatchUp(_ policy: QueuePolicy, events count: Int) {
        caughtUp[policy.rawValue, default: 0] += UInt64(max(0, count))
    }

    mutating func countEnd(of generation: Generation) { generations[Self.outcome(generation.status), default: 0] += 1 }

    private static func outcome(_ status: Generation.Status) -> String {
        switch status {
        case .incomplete(let reason): reason.rawValue
        case .queued, .inProgress, .completed, .cancelled, .failed: status.name
        }
    }

    mutating func add(_ other: ServerCounters) {
        while requests.count < other.requests.count { requests.append(0) }
        for index in other.requests.indices { requests[index] += other.requests[index] }
        handshakeFailures.merge(other.handshakeFailures, uniquingKeysWith: +)
        caughtUp.merge(other.caughtUp, uniquingKeysWith: +)
        generations.merge(other.generations, uniquingKeysWith: +)
        interruptLatency.add(other.interruptLatency)
        overloads += other.overloads
    }
}
