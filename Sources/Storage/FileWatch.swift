import Dispatch
import Glibc
import Logging
import Synchronization

/// Whether the files of an open database are still those that stand in its directory.
///
/// A file that was removed or replaced is written to as before, and is gone when the process ends: what is acknowledged then is lost.
/// So nothing is committed while they are not there.
final class FileWatch: Sendable {
    private struct Identity: Equatable {
        let device: UInt
        let inode: UInt

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
        }
    }

    private let files: [(path: String, identity: Identity)]
    private let loss = Mutex<StorageError?>(nil)
    private let isStopped = Atomic(false)
    private let queue = DispatchQueue(label: "interject.store.files")
    private let logger: Logger

    /// How soon a loss is told when nothing is written.
    private static let interval = DispatchTimeInterval.seconds(1)

    /// - Parameter path: of a database in write-ahead mode that is open and was written to.
    init(_ path: String, logger: Logger) {
        files = ["", "-wal", "-shm"].compactMap { suffix in Identity(path + suffix).map { (path + suffix, $0) } }
        self.logger = logger
        lookLater()
    }

    private func lookLater() {
        queue.asyncAfter(deadline: .now() + Self.interval) { [weak self] in
            guard let self, !self.isStopped.load(ordering: .relaxed) else { return }
            try? self.check()
            self.lookLater()
        }
    }

    /// What was found at the last look.
    var failure: StorageError? { loss.withLock { $0 } }

    /// Looks whether they are there: a system call for each.
    /// - Throws: ``StorageError/unavailable(reason:)``. It is over when they are put back.
    func check() throws(StorageError) {
        let missing = files.first { Identity($0.path) != $0.identity }
        let found = missing.map { file -> StorageError in
            let what = access(file.path, F_OK) == 0 ? "replaced" : "removed"
            return .unavailable(reason: "\(file.path) was \(what) while it was in use; put it back, or restart the server")
        }
        let before = loss.withLock { loss in
            defer { loss = found }
            return loss
        }
        switch (before, found) {
        case (nil, let found?): logger.critical("nothing is written any more", metadata: ["error": "\(found)"])
        case (.some, nil): logger.notice("the files of the store are back")
        default: break
        }
        if let found { throw found }
    }

    /// Looks no more by itself.
    func stop() { isStopped.store(true, ordering: .relaxed) }
}
