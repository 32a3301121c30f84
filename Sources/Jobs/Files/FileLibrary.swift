import Bytes
import Glibc
public import Logging
import Sessions
import Synchronization

/// The files of all owners: bytes in a directory, metadata in a ``FileStore``. Thread-safe.
///
/// A row is added once the bytes are synced under their final name, and removed before them. A crash can thus only leave a file
/// without a row, which is removed at the next start.
public final class FileLibrary: Sendable {
    public let limits: FileLimits
    let store: any FileStore
    private let directory: String
    private let batchDirectory: String
    private let threads = DiskThreads()
    private let logger: Logger
    /// Bytes per owner, of files and uploads in progress.
    private let usage: Mutex<[String: Int]>
    private let sweeper = Mutex<Task<Void, Never>?>(nil)

    private static let sweepInterval = Duration.seconds(30)
    private static let sweepCount = 100

    private init(_ directory: String, _ store: any FileStore, _ limits: FileLimits, _ usage: [String: Int], _ logger: Logger) {
        self.directory = directory + "/files"
        batchDirectory = directory + "/batches"
        self.store = store
        self.limits = limits
        self.usage = Mutex(usage)
        self.logger = logger
    }

    /// - Parameter directory: the existing data directory.
    /// - Throws: ``JobError/storageUnavailable(reason:)``.
    public static func open(
        directory: String, store: any FileStore, limits: FileLimits = FileLimits(), logger: Logger
    ) async throws(JobError) -> FileLibrary {
        let library = FileLibrary(directory, store, limits, try await store.fileBytesByOwner(), logger)
        for path in [library.directory, library.batchDirectory] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .disk(errno) }
        }
        let known = try await store.fileIDs()
        library.removeAll(in: library.directory) { !known.contains($0) }
        library.sweeper.withLock { $0 = Task(priority: .utility) { [weak library] in await Self.sweep { library } } }
        return library
    }

    deinit { sweeper.withLock { $0?.cancel() } }

    private func path(_ id: String) -> String { directory + "/" + id }

    // MARK: Writing

    /// Starts a file.
    func makeWriter(_ id: String) -> FileWriter { FileWriter(path: path(id), queue: threads.next()) }

    /// Starts an upload.
    public func beginUpload(owner: String) -> FileUpload {
        let id = Identifier.make("file-")
        return FileUpload(id: id, owner: owner, writer: makeWriter(id), library: self)
    }

    /// - Throws: ``JobError/quotaExceeded(limitBytes:)``, and then reserves nothing.
    func reserve(_ byteCount: Int, for owner: String) throws(JobError) {
        let fits = usage.withLock { usage in
            guard usage[owner, default: 0].saturatingAdding(byteCount) <= limits.maxBytesPerOwner else { return false }
            usage[owner, default: 0].saturatingAdd(byteCount)
            return true
        }
        if !fits { throw .quotaExceeded(limitBytes: limits.maxBytesPerOwner) }
    }

    /// Adds bytes to the owner's total, or subtracts them, regardless of the quota.
    func count(_ byteCount: Int, for owner: String) { usage.withLock { $0[owner, default: 0].saturatingAdd(byteCount) } }

    // MARK: Reading

    /// A file's metadata.
    /// - Throws: ``JobError/fileNotFound(id:)``, also for a file of another owner.
    public func file(_ id: String, owner: String) async throws(JobError) -> StoredFile {
        guard let file = try await store.file(id, owner: owner, now: time(nil)) else { throw .fileNotFound(id: id) }
        return file
    }

    /// A page, and whether there are more.
    /// - Throws: ``JobError/invalid(_:param:code:)`` if `after` is not a file of the owner.
    public func files(_ query: FileQuery) async throws(JobError) -> (page: [StoredFile], hasMore: Bool) {
        var query = query
        query.limit += 1
        guard let files = try await store.files(query, now: time(nil)) else {
            throw .invalid("'after' is not one of your files.", param: "after", code: "invalid_value")
        }
        return (Array(files.prefix(query.limit - 1)), files.count == query.limit)
    }

    /// Opens a file to read its bytes.
    /// - Throws: ``JobError/fileNotFound(id:)`` if it was deleted, ``JobError/storageUnavailable(reason:)``.
    public func open(_ file: StoredFile) throws(JobError) -> FileReader {
        do throws(JobError) {
            return try FileReader(path: path(file.id), queue: threads.next())
        } catch {
            // Deleted between the query and the open.
            if access(path(file.id), F_OK) != 0 { throw .fileNotFound(id: file.id) }
            throw error
        }
    }

    // MARK: Deletion

    /// Deletes a file and its bytes.
    /// - Throws: ``JobError/fileNotFound(id:)``, also for a file of another owner.
    public func delete(_ id: String, owner: String) async throws(JobError) {
        guard let file = try await store.deleteFile(id, owner: owner) else { throw .fileNotFound(id: id) }
        count(-file.byteCount, for: owner)
        unlink(path(id))
    }

    private static func sweep(_ library: () -> FileLibrary?) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: sweepInterval)
            await library()?.deleteExpired()
        }
    }

    private func deleteExpired() async {
        do throws(JobError) {
            var expired: [StoredFile]
            repeat {
                expired = try await store.expiredFiles(now: time(nil), limit: Self.sweepCount)
                for file in expired { try? await delete(file.id, owner: file.owner) }
            } while expired.count == Self.sweepCount
        } catch {
            logger.warning("expired files could not be deleted", metadata: ["error": "\(error)"])
        }
    }

    /// Removes files that a crash left behind.
    private func removeAll(in path: String, where isGone: (String) -> Bool) {
        guard let listing = opendir(path) else { return }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != "..", isGone(name) { names.append(name) }
        }
        for name in names { unlink(path + "/" + name) }
    }

    // MARK: Inputs of batches

    /// Retains a file's bytes for a batch by a hard link, so that the file may be deleted meanwhile.
    func retainInput(_ fileID: String, for batchID: String) throws(JobError) {
        guard link(path(fileID), batchDirectory + "/" + batchID) == 0 else {
            if errno == ENOENT { throw .fileNotFound(id: fileID) }
            throw .disk(errno)
        }
    }

    func openInput(of batchID: String) throws(JobError) -> FileReader {
        try FileReader(path: batchDirectory + "/" + batchID, queue: threads.next())
    }

    func dropInput(of batchID: String) { unlink(batchDirectory + "/" + batchID) }

    /// Removes the inputs of batches other than these.
    func dropInputs(except batchIDs: Set<String>) { removeAll(in: batchDirectory) { !batchIDs.contains($0) } }
}
