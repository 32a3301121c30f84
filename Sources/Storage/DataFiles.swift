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
    /// - Throws: also when there is only what is left of one: SQLite would take it for a new one.
    package static func hasDatabase(in directory: String) throws(StorageError) -> Bool {
        let path = databasePath(in: directory)
        var status = stat()
        if stat(path, &status) == 0 {
            // We make a database under another name: an empty one was not begun, it was emptied.
            if status.st_size == 0, status.st_mode & S_IFMT == S_IFREG { throw .empty(path: path) }
            return true
        }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw .denied(path: directory, access: .read, reason: String(cString: strerror(errno)))
        }
        // A new database would be given the pages in it.
        if stat(path + "-wal", &status) == 0, status.st_size > 0 { throw .incomplete(path: path) }
        return false
    }

    /// Makes the database where it is missing: whole, or not at all. Call with the directory locked.
    /// - Parameter make: makes it at the path that it is given.
    static func makeDatabase(in directory: String, _ make: (String) throws -> Void) throws {
        if try hasDatabase(in: directory) { return }
        let path = databasePath(in: directory)
        let draft = path + ".new"
        for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) }
        try make(draft)
        // What users say is nobody else's.
        chmod(draft, 0o600)
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        guard rename(draft, path) == 0 else {
            throw StorageError.directoryUnusable(path: directory, reason: String(cString: strerror(errno)))
        }
        synchronize(directory: directory)
    }

    /// Has the names in a directory stand on the disk.
    static func synchronize(directory: String) {
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
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
