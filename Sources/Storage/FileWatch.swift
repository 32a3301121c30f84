import Dispatch
import Glibc
import Logging
import Synchronization

/// Watches whether the files of an open database are still the ones in its directory.
///
/// SQLite continues to write to a file that was removed or replaced, and its contents vanish when the process ends: acknowledged
/// data would be lost. Nothing is committed while the files are missing.
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

    /// How soon a loss is reported when nothing is written.
    private static let interval = DispatchTimeInterval.seconds(1)

    /// - Parameter path: of an open database in write-ahead mode that has been written to.
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

    /// Result of the last check.
    var failure: StorageError? { loss.withLock { $0 } }

    /// Checks that the files are there, with one system call for each.
    /// - Throws: ``StorageError/unavailable(reason:)`` until the files are put back.
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

    /// Stops the periodic checks.
    func stop() { isStopped.store(true, ordering: .relaxed) }
}
