import Bytes
import Glibc
import Synchronization

/// An upload, counted against its owner's quota. Ends with ``commit(purpose:filename:expires:)`` or ``abandon()``; deallocation
/// abandons it. Thread-safe.
public final class FileUpload: Sendable {
    private enum State {
        /// Accepting bytes; the number received and counted so far.
        case open(byteCount: Int)
        case committed
        case abandoned
    }

    public let id: String
    public let owner: String
    private let writer: FileWriter
    private let library: FileLibrary
    private let state = Mutex(State.open(byteCount: 0))

    /// Number of bytes received, until the upload is committed or abandoned.
    public var byteCount: Int {
        state.withLock { state in
            if case .open(let byteCount) = state { byteCount } else { 0 }
        }
    }

    init(id: String, owner: String, writer: FileWriter, library: FileLibrary) {
        self.id = id
        self.owner = owner
        self.writer = writer
        self.library = library
    }

    deinit { abandon() }

    /// Appends bytes. Calls `then` on the I/O thread once they are written, or with an error.
    /// - Throws: immediately, if the file or its owner's total would become too large.
    public func append(_ bytes: [UInt8], then: @escaping @Sendable (JobError?) -> Void) throws(JobError) {
        try state.withLock { (state) throws(JobError) in
            guard case .open(let byteCount) = state else { return }
            let limit = library.limits.maxFileBytes
            if byteCount + bytes.count > limit { throw .fileTooLarge(limitBytes: limit) }
            try library.reserve(bytes.count, for: owner)
            state = .open(byteCount: byteCount + bytes.count)
        }
        writer.append(bytes, then: then)
    }

    /// Makes the upload a file. Returns once it is committed.
    public func commit(purpose: String, filename: String, expires: ExpiresAfter?) async throws(JobError) -> StoredFile {
        do throws(JobError) {
            let byteCount = try await writer.finish()
            let now = time(nil)
            let seconds = expires?.seconds ?? (purpose == "batch" ? ExpiresAfter.batchSeconds : nil)
            let file = StoredFile(
                id: id, owner: owner, purpose: purpose, filename: filename, byteCount: byteCount, createdAt: now,
                expiresAt: seconds.map { now.saturatingAdding($0) })
            try await library.store.insert(file)
            state.withLock { $0 = .committed }
            return file
        } catch {
            abandon()
            throw error
        }
    }

    /// Discards the upload. No effect after a commit.
    public func abandon() {
        let byteCount: Int? = state.withLock { state in
            guard case .open(let byteCount) = state else { return nil }
            state = .abandoned
            return byteCount
        }
        guard let byteCount else { return }
        writer.discard()
        library.count(-byteCount, for: owner)
    }
}
