import Glibc

/// Ends the command with one line on stderr.
struct Failure: Error, Equatable {
    /// The problem and the remedy, without a line break.
    var message: String
    var exitStatus: Int32

    /// A flag, variable or file with an invalid value.
    static func usage(_ message: String) -> Failure { Failure(message: message, exitStatus: 2) }
    /// A failure at run time.
    static func runtime(_ message: String) -> Failure { Failure(message: message, exitStatus: 1) }
}

/// Unbuffered standard output and error: output is complete even if the process is killed right after it.
enum Standard {
    static func output(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func error(_ text: String) { write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    /// Writes all bytes, however slow the reader; gives up if the descriptor is unusable.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                // A shared terminal may have been made nonblocking by another process.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }
}
