import Glibc

/// Reads and writes small files as a whole. Blocking: for the start, not for a loop.
enum Files {
    /// Largest file that is read. Configuration files and keys are small; anything else is a mistake.
    static let maxByteCount = 1 << 20

    /// - Throws: an error whose description is the system's, for example "No such file or directory".
    static func read(_ path: String) throws(FileError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(errno) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(errno)
            }
            contents.append(contentsOf: chunk[..<count])
            if contents.count > maxByteCount { throw FileError(EFBIG) }
        }
        guard let text = String(validating: contents, as: UTF8.self) else { throw FileError(EILSEQ) }
        return text
    }

    /// Checks whether ``writeAtomically(_:to:)`` would succeed, without writing.
    static func checkWritable(_ path: String) throws(FileError) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        // The trailing slash also requires a directory.
        guard access(folder + "/", W_OK | X_OK) == 0 else { throw FileError(errno) }
        if access(path + "/", F_OK) == 0 { throw FileError(EISDIR) }
    }

    /// Writes a temporary file and renames it, so that readers never see partial contents.
    static func writeAtomically(_ text: String, to path: String) throws(FileError) {
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(errno) }
        let bytes = Array(text.utf8)
        let written = write(descriptor, bytes, bytes.count)
        let code = errno
        close(descriptor)
        guard written == bytes.count, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw FileError(written == bytes.count ? errno : code)
        }
    }
}

/// The errno of a file operation.
struct FileError: Error, CustomStringConvertible {
    let code: Int32

    init(_ code: Int32) { self.code = code }

    var description: String { String(cString: strerror(code)) }
}
