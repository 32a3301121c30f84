import Bytes
import Digests
import Glibc
import Logging
import Storage
import Synchronization

/// The stored keys, in memory and current: a new key is accepted within a second, and a revoked one refused.
package final class KeyRing: Sendable {
    /// How often the store is polled for changes.
    static let pollInterval = Duration.milliseconds(500)
    /// A last use that is this close to the stored one is not written.
    private static let useGranularitySeconds = 60

    private struct Ring {
        var revision = -1
        var keys: [APIKeyRecord] = []
        /// Indices in ``keys`` by the digest of the secret, and of the previous one.
        var positions: [[UInt8]: Int] = [:]
        var positionsByID: [String: Int] = [:]
        /// Last uses to be written, in seconds since 1970 by key identifier.
        var uses: [String: Int] = [:]
        var writtenUses: [String: Int] = [:]
    }

    private let ring = Mutex(Ring())
    private let following = Mutex<Task<Void, Never>?>(nil)
    private let store: APIKeyStore
    private let logger: Logger

    init(_ store: APIKeyStore, logger: Logger) async throws(StorageError) {
        self.store = store
        self.logger = logger
        let (revision, keys) = try await store.all()
        set(keys, revision: revision)
    }

    /// Whether there is or was a key; clients then need one.
    var hasKeys: Bool { ring.withLock { !$0.keys.isEmpty } }

    /// Grows with each change.
    var revision: Int { ring.withLock { $0.revision } }

    /// The key with this secret, if valid at this time (seconds since 1970).
    func key(_ secret: String, at time: Int) -> APIKeyRecord? {
        let digest = SHA256.digest(secret)
        return ring.withLock { ring in
            guard let position = ring.positions[digest] else { return nil }
            let key = ring.keys[position]
            let isPrevious = key.previousHash.map { $0.isEqualInConstantTime(to: digest) } ?? false
            guard key.isValid(at: time), isPrevious || key.hash.isEqualInConstantTime(to: digest) else { return nil }
            if isPrevious, time >= key.previousUntil ?? 0 { return nil }
            if time - (ring.writtenUses[key.id] ?? 0) >= Self.useGranularitySeconds { ring.uses[key.id] = time }
            return key
        }
    }

    /// The key with this identifier, if valid at this time (seconds since 1970).
    func key(id: String, at time: Int) -> APIKeyRecord? {
        ring.withLock { ring in
            ring.positionsByID[id].flatMap { ring.keys[$0].isValid(at: time) ? ring.keys[$0] : nil }
        }
    }

    /// Follows the store until ``stop()``.
    func start() {
        let task = Task { [weak self] in
            while !Task.isCancelled, let ring = self {
                await ring.refresh()
                try? await Task.sleep(for: Self.pollInterval)
            }
        }
        following.withLock { $0 = task }
    }

    func stop() {
        following.withLock { task in
            task?.cancel()
            task = nil
        }
    }

    private func refresh() async {
        do throws(StorageError) {
            let known = revision
            if try await store.revision() != known {
                let (revision, keys) = try await store.all()
                set(keys, revision: revision)
            }
        } catch {
            logger.warning("the API keys could not be read again", metadata: ["error": "\(error)"])
        }
        writeUses()
    }

    private func writeUses() {
        let uses = ring.withLock { ring in
            let uses = ring.uses
            ring.uses = [:]
            ring.writtenUses.merge(uses) { $1 }
            return uses
        }
        if !uses.isEmpty { store.noteUses(uses) }
    }

    private func set(_ keys: [APIKeyRecord], revision: Int) {
        ring.withLock { ring in
            ring.revision = revision
            ring.keys = keys
            ring.positions = [:]
            ring.positionsByID = [:]
            for (position, key) in keys.enumerated() {
                ring.positions[key.hash] = position
                if let previous = key.previousHash { ring.positions[previous] = position }
                ring.positionsByID[key.id] = position
            }
        }
    }
}
