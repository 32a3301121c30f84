package import Network
import Synchronization

/// The models that clients can request: those reported by the upstreams, and those in the configuration.
package final class ModelNames: Sendable {
    /// One model.
    package struct Entry: Sendable {
        /// The name that clients use.
        package let name: String
        /// OpenAI's `owned_by`.
        package let ownedBy: String
        /// Seconds since 1970.
        package let created: Int
    }

    private let entries = Mutex<[Entry]>([])
    /// The first configured name; empty if there is none.
    private let preferred: String

    /// The runners' model; nil if there is none.
    private let runner: Entry?

    private let list: ModelList

    /// - Parameters:
    ///   - list: queries the upstreams; first used by ``askAgain(at:)``.
    ///   - runner: name of the model that runners implement.
    ///   - now: seconds since 1970.
    package init(_ list: ModelList, runner: String?, now: Int) {
        self.list = list
        preferred = list.preferredName
        self.runner = runner.map { Entry(name: $0, ownedBy: "runner", created: now) }
    }

    /// The model of a session that names none: the first in the configuration, otherwise the first upstream's first. Never the
    /// runners', which must be requested by name. Nil until an upstream has reported its models.
    package var first: String? {
        if !preferred.isEmpty { return preferred }
        return entries.withLock { $0 }.first { $0.name != runner?.name }?.name
    }

    /// How long a session without a model waits for an upstream's report.
    private static let patience = Duration.seconds(2)
    private static let lookInterval = Duration.milliseconds(50)

    /// - Parameter then: gets ``first`` on `loop`: at once if known, otherwise as soon as an upstream has reported it; nil after 2
    ///   s.
    package func first(on loop: EventLoop, then: @escaping (String?) -> Void) {
        first(on: loop, until: loop.now + Self.patience, then: then)
    }

    private func first(on loop: EventLoop, until deadline: Instant, then: @escaping (String?) -> Void) {
        let name = first
        if name != nil || loop.now >= deadline { return then(name) }
        askAgain(at: loop.now)
        loop.schedule(after: Self.lookInterval) { [self] in first(on: loop, until: deadline, then: then) }
    }

    /// All models. The runners' model hides an upstream's of the same name.
    package var all: [Entry] { entries.withLock { $0 }.filter { $0.name != runner?.name } + [runner].compactMap { $0 } }

    /// Minimum delay before unavailable upstreams are queried again.
    private static let retryInterval = Duration.seconds(1)

    /// How much of the list is known.
    private struct Progress {
        var isAsking = false
        var isWhole = false
        var askedAt: Instant?
    }

    private let progress = Mutex(Progress())

    /// Queries the upstreams that have not responded: one may start after the server. Returns at once.
    package func askAgain(at now: Instant) {
        let isDue = progress.withLock { progress in
            if progress.isAsking || progress.isWhole { return false }
            if let askedAt = progress.askedAt, now - askedAt < Self.retryInterval { return false }
            progress.isAsking = true
            progress.askedAt = now
            return true
        }
        guard isDue else { return }
        Task {
            let (names, isWhole) = await list.fetch()
            entries.withLock { $0 = names }
            progress.withLock { progress in
                progress.isAsking = false
                progress.isWhole = isWhole
            }
        }
    }
}
