import Glibc
import Logging
import Synchronization

/// Writes log lines to stderr.
///
/// A blocked pipe, or a terminal stopped by Ctrl-S, must not block the loops. A line that cannot be written at once is buffered for
/// a separate thread, up to a limit; lines beyond it are counted, and reported once the output is read again. Otherwise a line is
/// written before the call returns, so that the last lines before a crash are not lost.
final class LogOutput: Sendable {
    /// Most buffered bytes.
    static let maxBufferedBytes = 1 << 20
    /// Bytes that a writable pipe accepts in one piece (POSIX, `PIPE_BUF`).
    private static let wholeByteCount = 4096

    static let standardError = LogOutput(descriptor: STDERR_FILENO) { count in
        let message = "log lines were lost, because nobody read them"
        let format = Notices.wantJSON() ? ServeSettings.LogFormat.json : .text
        return StandardErrorLog.line(
            format, StandardErrorLog.timestamp(), .warning, message, [("count", .stringConvertible(count))])
    }

    private struct State {
        var buffered: [UInt8] = []
        var lostCount = 0
        /// Whether a thread is writing the buffer.
        var isWriting = false
        var hasBuffered: Bool { !buffered.isEmpty || lostCount > 0 }
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let startThread: @Sendable (@escaping @Sendable () -> Void) -> Bool
    private let describeLoss: @Sendable (Int) -> String

    /// - Parameters:
    ///   - startThread: returns false if no thread can be started.
    ///   - describeLoss: formats a line about the number of dropped lines.
    init(
        descriptor: Int32, startThread: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool = { Threads.start($0) },
        describeLoss: @escaping @Sendable (Int) -> String
    ) {
        self.descriptor = descriptor
        self.startThread = startThread
        self.describeLoss = describeLoss
    }

    /// Writes a line as a whole, now or later.
    func write(_ line: String) {
        var line = line
        line.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            let needsThread = state.withLock { state in
                if !state.isWriting, !state.hasBuffered, bytes.count <= Self.wholeByteCount, takesBytes {
                    Standard.write(bytes, to: descriptor)
                    return false
                }
                if state.buffered.count + bytes.count <= Self.maxBufferedBytes {
                    state.buffered.append(contentsOf: bytes)
                } else {
                    state.lostCount += 1
                }
                return true
            }
            if needsThread { startWriting() }
        }
    }

    /// Starts a thread that writes the buffer, unless one is running. If no thread can be started, the next line tries again.
    private func startWriting() {
        let starts = state.withLock { state in
            if state.isWriting || !state.hasBuffered { return false }
            state.isWriting = true
            return true
        }
        if starts, !startThread({ [self] in writeBuffered() }) { state.withLock { $0.isWriting = false } }
    }

    /// Waits until the buffer is written.
    /// - Parameter milliseconds: longest wait, since the output may never be read.
    func finish(within milliseconds: Int) {
        for _ in 0..<milliseconds {
            startWriting()
            if state.withLock({ !$0.isWriting && !$0.hasBuffered }) { return }
            usleep(1000)
        }
    }

    private var takesBytes: Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        // On an error the write does not block, and reports it.
        return poll(&waiting, 1, 0) != 0
    }

    private func writeBuffered() {
        while true {
            let (bytes, lostCount) = state.withLock { state -> ([UInt8], Int) in
                let next = (state.buffered, state.lostCount)
                state.buffered = []
                state.lostCount = 0
                if next.0.isEmpty, next.1 == 0 { state.isWriting = false }
                return next
            }
            if bytes.isEmpty, lostCount == 0 { return }
            bytes.withUnsafeBytes { Standard.write($0, to: descriptor) }
            if lostCount > 0 { Array(describeLoss(lostCount).utf8).withUnsafeBytes { Standard.write($0, to: descriptor) } }
        }
    }
}
