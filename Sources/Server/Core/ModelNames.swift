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

    func set(_ new: [Entry]) { entries.withLock { $0 = new } }
}
