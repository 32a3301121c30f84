import GRDB

/// The keys of a server's own store.
public struct APIKeyStore: Sendable {
    private let store: Store

    public init(_ store: Store) { self.store = store }

    /// Grows when somebody, perhaps another process, changes a key.
    public func revision() async throws(StorageError) -> Int { try await store.read(APIKeyTable.revision) }

    public func all() async throws(StorageError) -> (revision: Int, keys: [APIKeyRecord]) {
        try await store.read { (try APIKeyTable.revision($0), try APIKeyTable.all($0)) }
    }

    /// Notes when keys were last used, by identifier.
    public func noteUses(_ uses: [String: Int]) {
        store.write("the use of keys") { db in
            for (id, time) in uses { try APIKeyTable.noteUse(id, at: time, db) }
        }
    }

    /// The secret of that name; `new` becomes it where there is none yet.
    public func secret(_ name: String, else new: [UInt8]) async throws(StorageError) -> [UInt8] {
        try await store.write { try APIKeyTable.secret(name, else: new, $0) }
    }
}
