import Glibc
import Synchronization

/// Restricts a data directory to one process. The kernel releases the lock when the process ends, however it ends.
///
/// The directory itself is locked: a lock file could be removed while locked, and the next process would lock another one. The file
/// is locked too, for file systems that cannot lock directories.
final class DirectoryLock: Sendable {
    private let descriptors: Mutex<[CInt]>

    init(_ directory: String) throws(StorageError) {
        var held: [CInt] = []
        do throws(StorageError) {
            if let descriptor = try Self.lock(directory, O_RDONLY | O_DIRECTORY, in: directory) { held.append(descriptor) }
            guard let descriptor = try Self.lock(directory + "/interject.lock", O_RDWR | O_CREAT, in: directory) else {
                throw StorageError.directoryUnusable(path: directory, reason: "its file system has no locks")
            }
            held.append(descriptor)
        } catch {
            for descriptor in held { Glibc.close(descriptor) }
            throw error
        }
        descriptors = Mutex(held)
    }

    deinit { release() }

    /// - Returns: nil if the file system has no such locks.
    private static func lock(_ path: String, _ flags: CInt, in directory: String) throws(StorageError) -> CInt? {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .directoryUnusable(path: directory, reason: String(cString: strerror(errno))) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
        let code = errno
        Glibc.close(descriptor)
        switch code {
        case EWOULDBLOCK: throw .inUse(path: directory)
        case EBADF, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP: return nil
        default: throw .directoryUnusable(path: directory, reason: String(cString: strerror(code)))
        }
    }

    func release() {
        descriptors.withLock { descriptors in
            for descriptor in descriptors { Glibc.close(descriptor) }
            descriptors = []
        }
    }
}
