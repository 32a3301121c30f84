import Glibc

/// Ends the command with one line on stderr.
struct Failure: Error, Equatable {
    /// What is wrong and what to do, without a line break.
    var message: String
    var exitStatus: Int32

    /// A flag, variable or file that holds something wrong.
    static func usage(_ message: String) -> Failure { Failure(message: message, exitStatus: 2) }
    /// Something that did not work out.
    static func runtime(_ message: String) -> Failure { Failure(message: message, exitStatus: 1) }
}

/// Standard output and error without buffers: what was said is there, also when the process is killed the moment after.
enum Standard {
    static func output(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func error(_ text: String) { write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    /// Writes all of it, however long the reader takes; gives up when the descriptor is of no use.
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
