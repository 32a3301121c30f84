import Synchronization

/// How far the server is on its way out.
final class Lifecycle: Sendable {
    enum Stage: UInt8, Comparable {
        /// Everything is taken.
        case serving
        /// It says that it is not ready, so that a balancer sends nobody new, and still takes what comes.
        case leaving
        /// It finishes what runs, and begins nothing.
        case draining

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private let raw = Atomic<UInt8>(Stage.serving.rawValue)

    var stage: Stage { Stage(rawValue: raw.load(ordering: .relaxed)) ?? .draining }
    var isDraining: Bool { stage == .draining }

    func enter(_ stage: Stage) { raw.store(stage.rawValue, ordering: .relaxed) }
}
