package import Network
import Sessions

/// What the sessions of one loop have done. Confined to that loop; the sum is made when it is asked for.
package struct SessionCounters: Sendable {
    /// Events that readers which lagged did not get one by one, by queue policy.
    package private(set) var caughtUp: [String: UInt64] = [:]
    /// Responses that ended, by how.
    package private(set) var generations: [String: UInt64] = [:]
    /// From the command on its session's loop until the upstream was closed and all that the iteration wrote had left.
    package var interruptLatency = Histogram(.short)
    /// New work refused because too much memory is used.
    package var overloads: UInt64 = 0

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
}
