import Bytes
import Glibc
import Synchronization

/// A file that comes from a client: counted against its owner's share while it comes. Either ``commit(purpose:filename:expires:)`` or
/// ``abandon()`` ends it; one that is let go of is abandoned. Safe from any thread.
public final class FileUpload: Sendable {
    private enum State {
        /// So many bytes have come, and are counted.
        case open(byteCount: Int)
        case kept
        case abandoned
    }

    public let id: String
    public let owner: String
    private let writer: FileWriter
    private let library: FileLibrary
    private let state = Mutex(State.open(byteCount: 0))

    /// Bytes that have come, as long as it is neither kept nor given up.
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

    /// Appends; `then` is called on the disk's thread when the bytes are written, or could not be.
    /// - Throws: at once when the file, or its owner's files together, grow too large.
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

    /// Makes it a file. Returns when it is safe.
    public func commit(purpose: String, filename: String, expires: ExpiresAfter?) async throws(JobError) -> StoredFile {
        do throws(JobError) {
            let byteCount = try await writer.finish()
            let now = time(nil)
            let seconds = expires?.seconds ?? (purpose == "batch" ? ExpiresAfter.batchSeconds : nil)
            let file = StoredFile(
                id: id, owner: owner, purpose: purpose, filename: filename, byteCount: byteCount, createdAt: now,
                expiresAt: seconds.map { now.saturatingAdding($0) })
            try await library.store.insert(file)
            state.withLock { $0 = .kept }
            return file
        } catch {
            abandon()
            throw error
        }
    }

    /// Gives it up: nothing of it stays. Does nothing to a file that is kept.
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
