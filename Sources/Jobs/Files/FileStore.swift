/// Keeps what is known about files. The bytes are in ``FileLibrary``'s directory.
///
/// Everything that is asked by clients names the owner: a file of somebody else is none. All calls return when what they changed is
/// durable.
public protocol FileStore: Sendable {
    func insert(_ file: StoredFile) async throws(JobError)
    /// - Parameter now: a file that expires before is none, seconds since 1970.
    func file(_ id: String, owner: String, now: Int) async throws(JobError) -> StoredFile?
    /// - Returns: nil when `after` is no file of the owner.
    func files(_ query: FileQuery, now: Int) async throws(JobError) -> [StoredFile]?
    /// - Returns: what was deleted.
    func deleteFile(_ id: String, owner: String) async throws(JobError) -> StoredFile?
    /// Some of the files that have expired.
    func expiredFiles(now: Int, limit: Int) async throws(JobError) -> [StoredFile]
    /// Of all files, also expired ones.
    func fileIDs() async throws(JobError) -> Set<String>
    func fileBytesByOwner() async throws(JobError) -> [String: Int]
}

/// A page of an owner's files.
public struct FileQuery: Sendable {
    public var owner: String
    public var purpose: String?
    /// The last one of the page before.
    public var after: String?
    public var limit: Int
    public var isAscending: Bool

    public init(owner: String, purpose: String? = nil, after: String? = nil, limit: Int, isAscending: Bool = false) {
        self.owner = owner
        self.purpose = purpose
        self.after = after
        self.limit = limit
        self.isAscending = isAscending
    }
}
