import GRDB

/// Why data could not be stored or read.
public enum StorageError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The directory cannot be used or written.
    case directoryUnusable(path: String, reason: String)
    /// The directory does not exist and cannot be created.
    case cannotMakeDirectory(path: String, reason: String)
    /// There is no database in the directory, and none may be created.
    case noDatabase(path: String)
    /// The directory or its database may not be read or written.
    case denied(path: String, access: Access, reason: String)
    /// Another process uses the data directory.
    case inUse(path: String)
    /// Another process, not necessarily an interject, has the database locked.
    case locked(path: String)
    /// The database file is empty.
    case empty(path: String)
    /// The database is missing, but its write-ahead log is there.
    case incomplete(path: String)
    /// The file was written by an unreleased version of Interject.
    case unreleasedVersion(path: String)
    /// The file was written by a newer Interject.
    case newerVersion(path: String)
    /// The file cannot be opened as a database.
    case unreadable(path: String, reason: String)
    /// The disk is full or fails; writes are retried until it works.
    case unavailable(reason: String)
    /// The change itself is invalid.
    case refused(reason: String)
    /// The store was closed before the change was committed.
    case closed

    /// The kind of access that was denied.
    public enum Access: Sendable, Hashable {
        case read, write
    }

    /// What happened, and what the operator may do.
    public var description: String {
        switch self {
        case .cannotMakeDirectory(let path, let reason):
            "cannot make the data directory \(path): \(reason) (name another with --data)"
        case .noDatabase(let path): "There is no interject.sqlite in \(path). Name the data directory of the server with --data."
        case .denied(let path, let access, let reason):
            "\(path) cannot be \(access == .read ? "read" : "written"): \(reason) (make it yours, or name another with --data)"
        case .directoryUnusable(let path, let reason):
            "The data directory \(path) cannot be used (\(reason)). Make it writable, with some room, or name another with --data."
        case .inUse(let path):
            "Another interject uses the data directory \(path). Stop it, or name another directory with --data."
        case .locked(let path):
            "Another process has locked \(path). Wait for it or end it, or name another directory with --data."
        case .empty(let path):
            "\(path) is empty: what was in it is gone. Restore it from a backup, remove it to begin anew, or name another directory with --data."
        case .incomplete(let path):
            "\(path) is missing, and \(path)-wal is there: what was in it is gone. Restore it from a backup, remove both to begin anew, or name another directory with --data."
        case .unreleasedVersion(let path):
            "\(path) was written before the first release of Interject, which cannot read it. Name another directory with --data."
        case .newerVersion(let path):
            "\(path) was written by a newer version of Interject. Use that version, or another directory with --data."
        case .unreadable(let path, let reason):
            "\(path) is not a readable database (\(reason)). Restore it from a backup, or name another directory with --data."
        case .unavailable(let reason): "The data cannot be written now (\(reason))."
        case .refused(let reason): "The change was refused (\(reason))."
        case .closed: "The store is closed."
        }
    }

    init(_ error: any Error) {
        switch error {
        case let error as StorageError: self = error
        case let error as DatabaseError where Self.isOfTheDisk(error.resultCode): self = .unavailable(reason: Self.text(error))
        case let error as DatabaseError: self = .refused(reason: Self.text(error))
        default: self = .refused(reason: "\(error)")
        }
    }

    /// Without the statement and its arguments, which may contain users' text.
    private static func text(_ error: DatabaseError) -> String {
        "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "")"
    }

    /// Whether the disk, the file or another process caused the error, not the change: a corrupt file refuses every change, and
    /// then nothing may be acknowledged.
    private static func isOfTheDisk(_ code: ResultCode) -> Bool {
        switch code {
        case .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG, .SQLITE_RANGE, .SQLITE_ERROR, .SQLITE_MISUSE: false
        default: true
        }
    }
}
