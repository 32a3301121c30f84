import Synchronization

/// How far a server's shutdown has come. Safe from any thread.
package final class Lifecycle: Sendable {
    /// A stage of the shutdown.
    package enum Stage: UInt8, Comparable {
        /// Everything is accepted.
        case serving
        /// The readiness check fails, so that a load balancer sends no new clients; requests are still accepted.
        case leaving
        /// Current work is finished, and none is begun.
        case draining

        /// Whether `left` is an earlier stage.
        package static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private let raw = Atomic<UInt8>(Stage.serving.rawValue)

    /// A server that is serving.
    package init() {}

    /// The current stage.
    package var stage: Stage { Stage(rawValue: raw.load(ordering: .relaxed)) ?? .draining }
    /// Whether no work may begin.
    package var isDraining: Bool { stage == .draining }

    /// Moves to a stage.
    package func enter(_ stage: Stage) { raw.store(stage.rawValue, ordering: .relaxed) }
}
