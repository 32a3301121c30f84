import Synchronization

/// How far the server is on its way out. Safe from any thread.
package final class Lifecycle: Sendable {
    package enum Stage: UInt8, Comparable {
        /// Everything is taken.
        case serving
        /// It says that it is not ready, so that a balancer sends it no new client, and still takes what comes.
        case leaving
        /// It finishes the work under way, and begins none.
        case draining

        package static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private let raw = Atomic<UInt8>(Stage.serving.rawValue)

    package init() {}

    package var stage: Stage { Stage(rawValue: raw.load(ordering: .relaxed)) ?? .draining }
    package var isDraining: Bool { stage == .draining }

    package func enter(_ stage: Stage) { raw.store(stage.rawValue, ordering: .relaxed) }
}
