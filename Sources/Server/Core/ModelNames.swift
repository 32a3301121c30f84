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
    /// For a session that names no model.
    let preferred: String

    /// That of runners; nil: there are none.
    private let runner: Entry?

    /// - Parameters:
    ///   - runner: the name that programs which ask for work answer to.
    ///   - now: seconds since 1970.
    init(preferred: String, runner: String?, now: Int) {
        self.preferred = preferred
        self.runner = runner.map { Entry(name: $0, ownedBy: "runner", created: now) }
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
