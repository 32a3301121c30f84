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

    init(preferred: String) { self.preferred = preferred }

    var all: [Entry] { entries.withLock { $0 } }

    func set(_ new: [Entry]) { entries.withLock { $0 = new } }
}
