import Dispatch
import Glibc
import Synchronization

/// Writes a file in order on an I/O thread. The file gets its final name once it is completely synced. Thread-safe.
public final class FileWriter: Sendable {
    private struct State {
        var descriptor: CInt
        var byteCount = 0
        var failure: JobError?
    }

    private let temporaryPath: String
    private let path: String
    private let queue: DispatchQueue
    private let state: Mutex<State>

    private static let temporarySuffix = ".part"

    /// - Parameter path: the final path, in an existing directory.
    init(path: String, queue: DispatchQueue) {
        self.path = path
        self.queue = queue
        temporaryPath = path + Self.temporarySuffix
        state = Mutex(State(descriptor: -1))
        queue.async { [self] in
            state.withLock { state in
                state.descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
                if state.descriptor < 0 { state.failure = .disk(errno) }
            }
        }
    }

    deinit { state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }

    /// Appends bytes. Calls `then` on the I/O thread once they are written, or with an error.
    public func append(_ bytes: [UInt8], then: @escaping @Sendable (JobError?) -> Void) {
        queue.async { [self] in
            then(
                state.withLock { state in
                    if state.failure == nil { Self.write(bytes, &state) }
                    return state.failure
                })
        }
    }

    /// Appends bytes. Returns once they are written.
    /// - Throws: ``JobError/storageUnavailable(reason:)``.
    func append(_ bytes: [UInt8]) async throws(JobError) {
        let failure = await withCheckedContinuation { continuation in append(bytes) { continuation.resume(returning: $0) } }
        if let failure { throw failure }
    }

    private static func write(_ bytes: [UInt8], _ state: inout State) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(state.descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                state.failure = .disk(errno)
                return
            }
            written += count
        }
        state.byteCount += written
    }

    /// Syncs the file and gives it its final name.
    /// - Returns: the size in bytes.
    /// - Throws: ``JobError/storageUnavailable(reason:)``.
    @discardableResult
    public func finish() async throws(JobError) -> Int {
        let outcome: Result<Int, JobError> = await withCheckedContinuation { continuation in
            queue.async { [self] in continuation.resume(returning: state.withLock { seal(&$0) }) }
        }
        return try outcome.get()
    }

    private func seal(_ state: inout State) -> Result<Int, JobError> {
        if let failure = state.failure { return .failure(failure) }
        guard fsync(state.descriptor) == 0 else { return .failure(.disk(errno)) }
        close(state.descriptor)
        state.descriptor = -1
        guard rename(temporaryPath, path) == 0 else { return .failure(.disk(errno)) }
        // The name is only committed once the directory is synced, too.
        let directory = open(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return .success(state.byteCount)
    }

    /// Discards the file.
    public func discard() {
        queue.async { [self] in
            state.withLock { state in
                if state.descriptor >= 0 { close(state.descriptor) }
                state.descriptor = -1
                state.failure = .storageUnavailable(reason: "given up")
            }
            unlink(temporaryPath)
        }
    }
}

extension JobError {
    static func disk(_ code: CInt) -> JobError { .storageUnavailable(reason: String(cString: strerror(code))) }
}
