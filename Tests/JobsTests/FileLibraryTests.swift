import Foundation
import Jobs
import Synchronization
import Testing

@Suite struct FileLibraryTests {
    @Test func anUploadCountsFromItsFirstByteAndNoMoreWhenItIsGivenUp() async throws {
        let fixture = try await BatchFixture()
        var limits = FileLimits()
        limits.maxFileBytes = 100
        limits.maxBytesPerOwner = 150
        let library = try await FileLibrary.open(
            directory: fixture.directory, store: fixture.store, limits: limits, logger: BatchFixture.logger)
        let first = library.beginUpload(owner: "ann")
        try first.append([UInt8](repeating: 1, count: 100)) { _ in }
        #expect(throws: JobError.fileTooLarge(limitBytes: 100)) { try first.append([1]) { _ in } }
        let second = library.beginUpload(owner: "ann")
        #expect(throws: JobError.quotaExceeded(limitBytes: 150)) {
            try second.append([UInt8](repeating: 1, count: 51)) { _ in }
        }
        // Others have their own share.
        try library.beginUpload(owner: "bob").append([UInt8](repeating: 1, count: 100)) { _ in }
        first.abandon()
        try second.append([UInt8](repeating: 2, count: 100)) { _ in }
        let file = try await second.commit(purpose: "user_data", filename: "f", expires: nil)
        #expect(file.byteCount == 100)
        #expect(FileManager.default.contents(atPath: fixture.directory + "/files/" + file.id) == Data(repeating: 2, count: 100))
        try await library.delete(file.id, owner: "ann")
        #expect(!FileManager.default.fileExists(atPath: fixture.directory + "/files/" + file.id))
        // One that is let go of counts no more.
        for _ in 0..<2 { try library.beginUpload(owner: "ann").append([UInt8](repeating: 1, count: 100)) { _ in } }
    }

    @Test func aFileThatHasExpiredIsNone() async throws {
        let fixture = try await BatchFixture()
        var file = try await fixture.put("x")
        #expect(file.expiresAt == file.createdAt + 30 * 86_400)
        file.expiresAt = file.createdAt
        let expired = file
        fixture.store.state.withLock { $0.files = [expired] }
        await #expect(throws: JobError.fileNotFound(id: file.id)) { try await fixture.library.file(expired.id, owner: "ann") }
    }
}
