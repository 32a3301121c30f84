import Glibc
import Synchronization

/// A file that comes from a client: counted against its owner's share while it comes. Either ``commit(purpose:filename:expires:)`` or
/// ``abandon()`` ends it. Safe from any thread.
public final class FileUpload: Sendable {
    public let id: String
    public let owner: String
    private let writer: FileWriter
    private let library: FileLibrary
    private let reserved = Mutex(0)

    init(id: String, owner: String, writer: FileWriter, library: FileLibrary) {
        self.id = id
        self.owner = owner
        self.writer = writer
        self.library = library
    }

    /// Appends; `then` is called on the disk's thread when the bytes are written, or could not be.
    /// - Throws: at once when the file, or its owner's files together, grow too large.
    public func append(_ bytes: [UInt8], then: @escaping @Sendable (JobError?) -> Void) throws(JobError) {
        let isTooLarge = reserved.withLock { $0 + bytes.count > library.limits.maxFileBytes }
        if isTooLarge { throw .fileTooLarge(limitBytes: library.limits.maxFileBytes) }
        try library.reserve(bytes.count, for: owner)
        reserved.withLock { $0 += bytes.count }
        writer.append(bytes, then: then)
    }

    /// Makes it a file. Returns when it is safe.
    public func commit(purpose: String, filename: String, expires: ExpiresAfter?) async throws(JobError) -> StoredFile {
        do throws(JobError) {
            let byteCount = try await writer.finish()
            let now = time(nil)
            let seconds = expires?.seconds ?? (purpose == "batch" ? ExpiresAfter.batchSeconds : nil)
            let file = StoredFile(
                id: id, owner: owner, purpose: purpose, filename: filename, byteCount: byteCount, createdAt: now,
                expiresAt: seconds.map { now + $0 })
            try await library.store.insert(file)
            return file
        } catch {
            abandon()
            throw error
        }
    }

    /// Gives it up: nothing of it stays.
    public func abandon() {
        writer.discard()
        let byteCount = reserved.withLock { reserved in
            defer { reserved = 0 }
            return reserved
        }
        library.count(-byteCount, for: owner)
    }
}
