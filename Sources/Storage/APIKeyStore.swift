import GRDB

/// The API keys in a server's own store.
public struct APIKeyStore: Sendable {
    private let store: Store

    /// The keys in `store`.
    public init(_ store: Store) { self.store = store }

    /// Grows whenever a key changes, also when another process changes it.
    public func revision() async throws(StorageError) -> Int { try await store.read(APIKeyTable.revision) }

    /// All keys, oldest first, and the revision that they belong to.
    public func all() async throws(StorageError) -> (revision: Int, keys: [APIKeyRecord]) {
        try await store.read { (try APIKeyTable.revision($0), try APIKeyTable.all($0)) }
    }

    /// Records when keys were last used.
    /// - Parameter uses: seconds since 1970 by the key's identifier.
    public func noteUses(_ uses: [String: Int]) {
        store.write("the use of keys") { db in
            for (id, time) in uses { try APIKeyTable.noteUse(id, at: time, db) }
        }
    }

    /// The secret with this name; `new` is stored as that secret if there is none yet.
    public func secret(_ name: String, else new: [UInt8]) async throws(StorageError) -> [UInt8] {
        try await store.write { try APIKeyTable.secret(name, else: new, $0) }
    }
}
