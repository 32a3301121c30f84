import Glibc

/// The data directory and the database in it, as the file system sees them.
///
/// Problems with them are reported in the system's words before SQLite finds them, which would blame the file's contents.
package enum DataFiles {
    static func databasePath(in directory: String) -> String { directory + "/interject.sqlite" }

    /// Creates the directory and its missing parents, accessible to this user only.
    package static func makeDirectory(_ directory: String) throws(StorageError) {
        var end = directory.startIndex
        repeat {
            // The root and doubled slashes are no components to create.
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
    /// - Throws: ``StorageError`` also if only remains of a database are there, which SQLite would take for a new one.
    package static func hasDatabase(in directory: String) throws(StorageError) -> Bool {
        let path = databasePath(in: directory)
        var status = stat()
        if stat(path, &status) == 0 {
            // A database is created under another name and then renamed, so an empty file was truncated.
            if status.st_size == 0, status.st_mode & S_IFMT == S_IFREG { throw .empty(path: path) }
            return true
        }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw .denied(path: directory, access: .read, reason: String(cString: strerror(errno)))
        }
        // SQLite would replay these pages into a new database.
        if stat(path + "-wal", &status) == 0, status.st_size > 0 { throw .incomplete(path: path) }
        return false
    }

    /// Creates a missing database: whole, or not at all. The directory must be locked.
    /// - Parameter make: creates the database at the given path.
    static func makeDatabase(in directory: String, _ make: (String) throws -> Void) throws {
        if try hasDatabase(in: directory) { return }
        let path = databasePath(in: directory)
        let draft = path + ".new"
        for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) }
        try make(draft)
        // Only this user may read what clients say.
        chmod(draft, 0o600)
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        guard rename(draft, path) == 0 else {
            throw StorageError.directoryUnusable(path: directory, reason: String(cString: strerror(errno)))
        }
        synchronize(directory: directory)
    }

    /// Syncs the directory's entries to the disk.
    static func synchronize(directory: String) {
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    /// - Throws: ``StorageError`` if there is no database in the directory, or it may not be read.
    static func requireDatabase(in directory: String) throws(StorageError) {
        guard try hasDatabase(in: directory) else { throw .noDatabase(path: directory) }
        try requirePermission(directory, databasePath(in: directory), forWriting: false)
    }

    /// - Throws: ``StorageError`` if the directory, or a database in it, may not be read or written.
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
