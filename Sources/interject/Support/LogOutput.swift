import Glibc
import Logging
import Synchronization

/// Log lines on their way to stderr.
///
/// A pipe whose reader stands still, or a terminal that is held by Ctrl-S, must not hold up the loops: what does not go at once waits
/// for a thread of its own, up to a bound, and what is beyond that is counted and told when the reader is back. A line that goes at
/// once is written before its event is over, so that the last words before a crash are there.
final class LogOutput: Sendable {
    /// Bytes that wait at most.
    static let maxHeldBytes = 1 << 20
    /// What a pipe that is writable takes in one piece (POSIX, `PIPE_BUF`).
    private static let wholeByteCount = 4096

    static let standardError = LogOutput(descriptor: STDERR_FILENO) { count in
        let message = "log lines were lost, because nobody read them"
        let format = Notices.wantJSON() ? ServeSettings.LogFormat.json : .text
        return StandardErrorLog.line(
            format, StandardErrorLog.timestamp(), .warning, message, [("count", .stringConvertible(count))])
    }

    private struct State {
        var held: [UInt8] = []
        var lostCount = 0
        /// Whether a thread is there that writes what waits.
        var isWriting = false
        var hasHeld: Bool { !held.isEmpty || lostCount > 0 }
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let startThread: @Sendable (@escaping @Sendable () -> Void) -> Bool
    private let describeLoss: @Sendable (Int) -> String

    /// - Parameters:
    ///   - startThread: returns false when there is none to be had.
    ///   - describeLoss: a line that tells how many were lost.
    init(
        descriptor: Int32, startThread: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool = { Threads.start($0) },
        describeLoss: @escaping @Sendable (Int) -> String
    ) {
        self.descriptor = descriptor
        self.startThread = startThread
        self.describeLoss = describeLoss
    }

    /// Writes a whole line, now or later.
    func write(_ line: String) {
        var line = line
        line.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            let needsThread = state.withLock { state in
                if !state.isWriting, !state.hasHeld, bytes.count <= Self.wholeByteCount, takesBytes {
                    Standard.write(bytes, to: descriptor)
                    return false
                }
                if state.held.count + bytes.count <= Self.maxHeldBytes {
                    state.held.append(contentsOf: bytes)
                } else {
                    state.lostCount += 1
                }
                return true
            }
            if needsThread { startWriting() }
        }
    }

    /// Has what is held written, unless that goes on already. Without a thread it waits for the next line.
    private func startWriting() {
        let starts = state.withLock { state in
            if state.isWriting || !state.hasHeld { return false }
            state.isWriting = true
            return true
        }
        if starts, !startThread({ [self] in writeHeld() }) { state.withLock { $0.isWriting = false } }
    }

    /// Waits until what is held is written.
    /// - Parameter milliseconds: how long at most: nobody may ever read it.
    func finish(within milliseconds: Int) {
        for _ in 0..<milliseconds {
            startWriting()
            if state.withLock({ !$0.isWriting && !$0.hasHeld }) { return }
            usleep(1000)
        }
    }

    private var takesBytes: Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        // An error is the write's to find: it does not block then.
        return poll(&waiting, 1, 0) != 0
    }

    private func writeHeld() {
        while true {
            let (bytes, lostCount) = state.withLock { state -> ([UInt8], Int) in
                let next = (state.held, state.lostCount)
                state.held = []
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
