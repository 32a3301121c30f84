/// Stores the metadata of files. The bytes are in ``FileLibrary``'s directory.
///
/// Calls on behalf of clients name the owner; to them, files of other owners do not exist. Every call returns once its changes are
/// committed.
public protocol FileStore: Sendable {
    func insert(_ file: StoredFile) async throws(JobError)
    /// - Parameter now: seconds since 1970; files that expired before do not exist.
    func file(_ id: String, owner: String, now: Int) async throws(JobError) -> StoredFile?
    /// - Returns: nil if `after` is not a file of the owner.
    func files(_ query: FileQuery, now: Int) async throws(JobError) -> [StoredFile]?
    /// - Returns: the deleted file.
    func deleteFile(_ id: String, owner: String) async throws(JobError) -> StoredFile?
    /// At most `limit` expired files.
    func expiredFiles(now: Int, limit: Int) async throws(JobError) -> [StoredFile]
    /// Identifiers of all files, including expired ones.
    func fileIDs() async throws(JobError) -> Set<String>
    func fileBytesByOwner() async throws(JobError) -> [String: Int]
}

/// A page of an owner's files.
public struct FileQuery: Sendable {
    /// The owner whose files are listed.
    public var owner: String
    /// Only files of this purpose; nil: all.
    public var purpose: String?
    /// The last file of the previous page.
    public var after: String?
    /// Most files in the page.
    public var limit: Int
    /// Whether the oldest file comes first.
    public var isAscending: Bool

    public init(owner: String, purpose: String? = nil, after: String? = nil, limit: Int, isAscending: Bool = false) {
        self.owner = owner
        self.purpose = purpose
        self.after = after
        self.limit = limit
        self.isAscending = isAscending
    }
}
