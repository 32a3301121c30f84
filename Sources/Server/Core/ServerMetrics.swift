import Synchronization

/// Counters of the whole server.
final class ServerMetrics: Sendable {
    private let interruptions = Atomic<Int>(0)

    /// A running response was cut by a person, a cancel or a disconnect policy.
    func countInterruption() { interruptions.wrappingAdd(1, ordering: .relaxed) }
}
