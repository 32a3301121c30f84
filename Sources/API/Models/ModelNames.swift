package import Network
import Synchronization

/// The models that can be asked for: what the upstreams say they have, and the names that the operator gave.
package final class ModelNames: Sendable {
    package struct Entry: Sendable {
        package let name: String
        package let ownedBy: String
        /// Seconds since 1970.
        package let created: Int
    }

    private let entries = Mutex<[Entry]>([])
    /// The first name that the operator gave; empty if there is none.
    private let preferred: String

    /// That of runners; nil: there are none.
    private let runner: Entry?

    private let list: ModelList

    /// - Parameters:
    ///   - list: where the names come from; it is asked once ``askAgain(at:)`` is called.
    ///   - runner: the name that programs which ask for work answer to.
    ///   - now: seconds since 1970.
    package init(_ list: ModelList, runner: String?, now: Int) {
        self.list = list
        preferred = list.preferredName
        self.runner = runner.map { Entry(name: $0, ownedBy: "runner", created: now) }
    }

    /// The model of a session that names none: the first in the order of the configuration, else of what the first upstream has.
    /// Runners answer for nobody who did not ask for them. Nil as long as no upstream has told what it has.
    package var first: String? {
        if !preferred.isEmpty { return preferred }
        return entries.withLock { $0 }.first { $0.name != runner?.name }?.name
    }

    /// How long a session waits for its model's name when no upstream has told any yet.
    private static let patience = Duration.seconds(2)
    private static let lookInterval = Duration.milliseconds(50)

    /// - Parameter then: gets ``first`` on `loop`: at once if it is known, else as soon as an upstream has told it; nil after 2 s.
    package func first(on loop: EventLoop, then: @escaping (String?) -> Void) {
        first(on: loop, until: loop.now + Self.patience, then: then)
    }

    private func first(on loop: EventLoop, until deadline: Instant, then: @escaping (String?) -> Void) {
        let name = first
        if name != nil || loop.now >= deadline { return then(name) }
        askAgain(at: loop.now)
        loop.schedule(after: Self.lookInterval) { [self] in first(on: loop, until: deadline, then: then) }
    }

    /// What upstreams have under the runners' name is never asked for.
    package var all: [Entry] { entries.withLock { $0 }.filter { $0.name != runner?.name } + [runner].compactMap { $0 } }

    /// How often upstreams that did not answer are asked again, at most.
    private static let retryInterval = Duration.seconds(1)

    /// How far the list is known.
    private struct Progress {
        var isAsking = false
        var isWhole = false
        var askedAt: Instant?
    }

    private let progress = Mutex(Progress())

    /// Asks for what is still missing: an upstream may come up after the server. Returns at once.
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
