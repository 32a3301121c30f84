import Glibc

/// The directory of the data and the database in it, as the file system sees them.
///
/// What is wrong with them is said in the system's words before SQLite or anybody else sees it, who would blame the contents.
package enum DataFiles {
    static func databasePath(in directory: String) -> String { directory + "/interject.sqlite" }

    /// Makes the directory where it is missing, with those above it, for this user alone.
    package static func makeDirectory(_ directory: String) throws(StorageError) {
        var end = directory.startIndex
        repeat {
            // The root and doubled slashes name nothing that could be missing.
            end = directory[end...].dropFirst().firstIndex(of: "/") ?? directory.endIndex
            try make(directory, upTo: end)
        } while end < directory.endIndex
        try requirePermission(directory)
    }

    private static func make(_ directory: String, upTo end: String.Index) throws(StorageError) {
        let path = String(directory[..<end])
        if path.isEmpty || mkdir(path, 0o700) == 0 { return }
        let code = errno
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { return }
            throw .cannotMakeDirectory(path: directory, reason: String(cString: strerror(ENOTDIR)))
        }
        throw .cannotMakeDirectory(path: directory, reason: String(cString: strerror(code)))
    }

    /// Whether there is a database in the directory.
    package static func hasDatabase(in directory: String) throws(StorageError) -> Bool {
        var status = stat()
        if stat(databasePath(in: directory), &status) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw .denied(path: directory, access: .read, reason: String(cString: strerror(errno)))
    }

    /// - Throws: that there is no database in the directory, or that it may not be read.
    static func requireDatabase(in directory: String) throws(StorageError) {
        guard try hasDatabase(in: directory) else { throw .noDatabase(path: directory) }
        try requirePermission(directory, databasePath(in: directory), forWriting: false)
    }

    /// - Throws: that the directory, or a database that is in it, may not be read or written.
    package static func requirePermission(_ directory: String) throws(StorageError) {
        let path = databasePath(in: directory)
        try requirePermission(directory, try hasDatabase(in: directory) ? path : nil, forWriting: true)
    }

    private static func requirePermission(_ directory: String, _ database: String?, forWriting: Bool) throws(StorageError) {
        func require(_ path: String, _ mode: Int32, _ access: StorageError.Access) throws(StorageError) {
            if Glibc.access(path, mode) != 0 {
                throw .denied(path: directory, access: access, reason: String(cString: strerror(errno)))
            }
        }
        try require(directory, R_OK | X_OK, .read)
        if let database { try require(database, R_OK, .read) }
        guard forWriting else { return }
        try require(directory, W_OK, .write)
        if let database { try require(database, W_OK, .write) }
    }
}
