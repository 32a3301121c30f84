import Dispatch
import Glibc

/// An open file, read in pieces on an I/O thread. Remains readable if the file is deleted meanwhile. Thread-safe.
public final class FileReader: Sendable {
    private let descriptor: CInt
    private let queue: DispatchQueue
    /// Size at opening, in bytes.
    public let byteCount: Int

    init(path: String, queue: DispatchQueue) throws(JobError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .disk(errno) }
        self.queue = queue
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw .disk(code)
        }
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads a piece. Calls `then` on the I/O thread, with fewer bytes than requested only at the end of the file.
    public func read(at offset: Int, count: Int, then: @escaping @Sendable (Result<[UInt8], JobError>) -> Void) {
        queue.async { [self] in then(read(offset, count)) }
    }

    func read(at offset: Int, count: Int) async throws(JobError) -> [UInt8] {
        let outcome = await withCheckedContinuation { continuation in
            read(at: offset, count: count) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    private func read(_ offset: Int, _ count: Int) -> Result<[UInt8], JobError> {
        let wanted = max(0, min(count, byteCount - offset))
        var failure: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let got = pread(descriptor, buffer.baseAddress.map { $0 + filled }, wanted - filled, off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { return }
                filled += got
            }
        }
        return failure == 0 ? .success(bytes) : .failure(.disk(failure))
    }
}
