import Foundation
import Logging
import Storage
import Testing

/// Keys in a data directory, written by a command beside the server that reads them.
@Suite struct APIKeyStoreTests {
    private let directory = NSTemporaryDirectory() + "interject-keys-" + UUID().uuidString

    private func key(_ id: String, hash: UInt8) -> APIKeyRecord {
        APIKeyRecord(
            id: id, hash: Array(repeating: hash, count: 32), hint: "ij-abcd", name: "n", owner: "ada", scopes: "chat", createdAt: 5)
    }

    @Test func aCommandMakesTheDirectoryAndTheServerFindsTheKey() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var made = key("key_1", hash: 1)
        made.expiresAt = 99
        made.tokensPerMinute = 7
        try APIKeyFile(directory: directory).insert(made)
        let store = try Store.open(directory: directory, logger: Logger(label: "test"))
        let (_, keys) = try await APIKeyStore(store).all()
        #expect(keys == [made])
        await store.close()
    }

    @Test func theServerSeesWhatACommandChangesMeanwhile() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try Store.open(directory: directory, logger: Logger(label: "test"))
        let keys = APIKeyStore(store)
        let before = try await keys.revision()
        let file = try APIKeyFile(directory: directory)
        try file.insert(key("key_1", hash: 1))
        let created = try await keys.revision()
        #expect(created > before)
        try file.rotate("key_1", hash: Array(repeating: 2, count: 32), hint: "ij-efgh", previousUntil: 40)
        var all = try await keys.all()
        #expect(all.keys[0].hash == Array(repeating: 2, count: 32))
        #expect(all.keys[0].previousHash == Array(repeating: 1, count: 32) && all.keys[0].previousUntil == 40)
        try file.revoke("key_1", at: 50)
        all = try await keys.all()
        #expect(all.revision > created && all.keys[0].revokedAt == 50 && !all.keys[0].isValid(at: 51))
        #expect(all.keys[0].previousHash == nil)
        await store.close()
    }

    @Test func aUseIsNoChangeThatTheServerMustReadAgain() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try APIKeyFile(directory: directory).insert(key("key_1", hash: 1))
        let store = try Store.open(directory: directory, logger: Logger(label: "test"))
        let keys = APIKeyStore(store)
        let before = try await keys.revision()
        keys.noteUses(["key_1": 77])
        let secret = try await keys.secret("tokens", else: [1, 2])
        #expect(secret == [1, 2])
        #expect(try await keys.secret("tokens", else: [3]) == [1, 2])
        let all = try await keys.all()
        #expect(all.keys[0].lastUsedAt == 77 && all.revision == before)
        await store.close()
    }
}
