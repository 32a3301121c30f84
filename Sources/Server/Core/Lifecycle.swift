import Synchronization

/// Whether the server takes new work.
final class Lifecycle: Sendable {
    private let draining = Atomic<Bool>(false)

    /// The server finishes what runs, and begins nothing.
    var isDraining: Bool { draining.load(ordering: .relaxed) }

    func beginDraining() { draining.store(true, ordering: .relaxed) }
}
