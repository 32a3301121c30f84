import Network
import Synchronization

/// The models that can be asked for: what the upstreams say they have, and the names that the operator gave.
final class ModelNames: Sendable {
    struct Entry: Sendable {
        let name: String
        let ownedBy: String
        /// Seconds since 1970.
        let created: Int
    }

    private let entries = Mutex<[Entry]>([])
    /// The first name that the operator gave; empty if there is none.
    private let preferred: String

    /// That of runners; nil: there are none.
    private let runner: Entry?

    /// - Parameters:
    ///   - runner: the name that programs which ask for work answer to.
    ///   - now: seconds since 1970.
    init(preferred: String, runner: String?, now: Int) {
        self.preferred = preferred
        self.runner = runner.map { Entry(name: $0, ownedBy: "runner", created: now) }
    }

    /// The model of a session that names none: the first in the order of the configuration, else of what the first upstream has.
    /// Runners answer for nobody who did not ask for them. Nil as long as no upstream has told what it has.
    var first: String? {
        if !preferred.isEmpty { return preferred }
        return entries.withLock { $0 }.first { $0.name != runner?.name }?.name
    }

    /// How long a session waits for its model's name when no upstream has told any yet.
    private static let patience = Duration.seconds(2)
    private static let lookInterval = Duration.milliseconds(50)

    /// - Parameter then: gets ``first`` on `loop`: at once if it is known, else as soon as an upstream has told it; nil after 2 s.
    func first(on loop: EventLoop, then: @escaping (String?) -> Void) {
        first(on: loop, until: loop.now + Self.patience, then: then)
    }

    private func first(on loop: EventLoop, until deadline: Instant, then: @escaping (String?) -> Void) {
        let name = first
        if name != nil || loop.now >= deadline { return then(name) }
        askAgain(at: loop.now)
        loop.schedule(after: Self.lookInterval) { [self] in first(on: loop, until: deadline, then: then) }
    }

    /// What upstreams have under the runners' name is never asked for.
    var all: [Entry] { entries.withLock { $0 }.filter { $0.name != runner?.name } + [runner].compactMap { $0 } }

    /// How often upstreams that did not answer are asked again, at most.
    private static let retryInterval = Duration.seconds(1)

    /// Where the names come from.
    private struct Source {
        /// Fills the list; whether it is whole then.
        var ask: (@Sendable () async -> Bool)?
        var isAsking = false
        var isWhole = false
        var askedAt: Instant?
    }

    private let source = Mutex(Source())

    /// From now on the names come from there.
    func follow(_ ask: @escaping @Sendable () async -> Bool) {
        source.withLock { $0.ask = ask }
        askAgain(at: .monotonicNow)
    }

    /// Asks for what is still missing: an upstream may come up after the server. Returns at once.
    func askAgain(at now: Instant) {
        let ask: (@Sendable () async -> Bool)? = source.withLock { source in
            if source.isAsking || source.isWhole { return nil }
            if let askedAt = source.askedAt, now - askedAt < Self.retryInterval { return nil }
            source.isAsking = source.ask != nil
            source.askedAt = now
            return source.ask
        }
        guard let ask else { return }
        Task {
            let isWhole = await ask()
            source.withLock { source in
                source.isAsking = false
                source.isWhole = isWhole
            }
        }
    }

    func set(_ new: [Entry]) { entries.withLock { $0 = new } }
}
