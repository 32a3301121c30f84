import CLinux
import Glibc

/// A system call that failed.
public struct SystemCallError: Error, CustomStringConvertible, Sendable {
    /// The call's name, as in its manual page.
    public let call: String
    /// errno.
    public let code: Int32

    public var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// Runs a call that returns -1 and sets errno on failure; retries if interrupted by a signal.
@discardableResult
func systemCall(_ name: String, _ call: () -> Int32) throws(SystemCallError) -> Int32 {
    while true {
        let result = call()
        if result != -1 { return result }
        let code = errno
        if code != EINTR { throw SystemCallError(call: name, code: code) }
    }
}
