import Glibc
import JSON

/// `interject.identity`, beside the database: which files belong together, and how the last run ended.
///
/// A database that is restored from a copy brings its contents along, but this file is either missing or a copy itself, and then
/// not the file whose identity it records. It is replaced, never modified, at the start and at the end of a run.
struct IdentityFile: Sendable, Equatable {
    var instance: String
    var run: Int
    var epoch: Int
    var isClean: Bool
    /// The database file.
    var database: FileIdentity?
    /// Its write-ahead log, while a run lasts.
    var journal: FileIdentity?
    /// The identity file itself, when it was written.
    var file: FileIdentity?

    static func path(in directory: String) -> String { directory + "/interject.identity" }

    init(_ mark: StoreMark, database: FileIdentity?, journal: FileIdentity?) {
        instance = mark.instance
        run = mark.run
        epoch = mark.epoch
        isClean = mark.isClean
        self.database = database
        self.journal = journal
    }

    /// Reads the identity file of a directory; nil if there is none, or another program wrote it.
    init?(in directory: String) {
        let descriptor = open(Self.path(in: directory), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // number-safe: a constant
        var bytes = [UInt8](repeating: 0, count: Self.maxByteCount)
        let count = read(descriptor, &bytes, bytes.count)
        guard let json = try? JSONValue.parse(Array(bytes.prefix(max(0, count)))), let instance = json["instance"]?.string,
            let run = json["run"]?.storedInt, let epoch = json["epoch"]?.storedInt, let isClean = json["clean"]?.bool
        else { return nil }
        self.instance = instance
        self.run = run
        self.epoch = epoch
        self.isClean = isClean
        database = FileIdentity(json["database"])
        journal = FileIdentity(json["journal"])
        file = FileIdentity(json["file"])
    }

    private static let maxByteCount = 4096

    private func text(in file: FileIdentity?) -> String {
        let json: JSONValue = [
            "instance": .string(instance), "run": JSONValue(run), "epoch": JSONValue(epoch), "clean": .bool(isClean),
            "database": database?.json ?? .null, "journal": journal?.json ?? .null, "file": file?.json ?? .null,
        ]
        return json.columnText + "\n"
    }

    /// Replaces the identity file of a directory: whole and synced to the disk, or not at all.
    func write(in directory: String) throws(StorageError) {
        let path = Self.path(in: directory)
        let draft = path + ".new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(directory) }
        var text = text(in: FileIdentity(of: draft))
        let isWritten = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count } && fsync(descriptor) == 0
        let error = Self.failure(directory)
        close(descriptor)
        guard isWritten else {
            unlink(draft)
            throw error
        }
        guard rename(draft, path) == 0 else { throw Self.failure(directory) }
        DataFiles.synchronize(directory: directory)
    }

    private static func failure(_ directory: String) -> StorageError {
        .directoryUnusable(path: directory, reason: errno == ENOSPC ? "the disk is full" : String(cString: strerror(errno)))
    }
}
