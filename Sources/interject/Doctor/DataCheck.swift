import Bytes
import Glibc
import Storage

/// Checks whether sessions can be stored in the configured directory.
enum DataCheck {
    /// Free space below which to warn: a few hours of a busy server.
    private static let littleSpaceByteCount = 1 << 30

    static func find(_ settings: ServeSettings) -> Finding {
        guard let directory = DataDirectory.resolve(settings.dataDirectory) else {
            return .ok("data", "in memory only, until the process ends")
        }
        let existing = nearest(directory)
        do throws(StorageError) {
            try tryOut(directory, existing)
        } catch {
            return .fail("data", "\(error)")
        }
        if isInUse(directory) {
            return .warn("data", "a server uses \(directory) now: a second one needs another --data")
        }
        var status = statvfs()
        guard statvfs(existing, &status) == 0 else { return .ok("data", "\(directory) is usable") }
        let free = Int(clamping: status.f_bavail).saturatingMultiplied(by: Int(clamping: status.f_frsize))
        let space = free >= 1 << 30 ? "\(free >> 30) GiB" : "\(free >> 20) MiB"
        return free < littleSpaceByteCount
            ? .warn("data", "\(directory): only \(space) free") : .ok("data", "\(directory) is usable, \(space) free")
    }

    /// Does what the server would do and reverts it: only that is conclusive.
    private static func tryOut(_ directory: String, _ existing: String) throws(StorageError) {
        if access(directory, F_OK) == 0 {
            try DataFiles.makeDirectory(directory)
            return
        }
        let rest = directory.dropFirst(existing == "." ? 0 : existing.count).drop { $0 == "/" }
        let name = rest.prefix { $0 != "/" }
        let path = existing == "." ? String(name) : "\(existing)/\(name)"
        guard mkdir(path, 0o700) == 0 else {
            throw .cannotMakeDirectory(path: directory, reason: String(cString: strerror(errno)))
        }
        rmdir(path)
    }

    /// The directory, or its nearest existing parent.
    private static func nearest(_ directory: String) -> String {
        var path = directory
        while access(path, F_OK) != 0 {
            guard let slash = path.lastIndex(of: "/") else { return "." }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return path
    }

    /// Checks for a lock without creating anything.
    private static func isInUse(_ directory: String) -> Bool {
        let descriptor = open(directory + "/interject.lock", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
