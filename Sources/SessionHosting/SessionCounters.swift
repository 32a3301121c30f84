package import Network
import Sessions

/// Counts the work of one loop's sessions. Confined to that loop; summed when read.
package struct SessionCounters: Sendable {
    /// Events that lagging readers did not receive one by one, by queue policy.
    package private(set) var caughtUp: [String: UInt64] = [:]
    /// Ended responses, by outcome.
    package private(set) var generations: [String: UInt64] = [:]
    /// From the command on the session's loop until the upstream is closed and the iteration's output has been sent.
    package var interruptLatency = Histogram(.short)
    /// New work refused for lack of memory.
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
