import Glibc

/// The owner of a Unix socket.
struct UnixSocketOwner: Equatable, Sendable {
    /// nil leaves the process's.
    var userID: UInt32?
    var groupID: UInt32?
}

extension SettingValue {
    /// Parses permission bits in octal, as `chmod` takes them: `660`, `0660`.
    static func mode(_ text: String) throws(InvalidValue) -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o777, text.utf8.count <= 4, !text.hasPrefix("+") else {
            throw InvalidValue("\"\(text)\" is not a mode: give octal digits from 000 to 777, such as 660")
        }
        return mode
    }

    /// Parses `USER`, `USER:GROUP` or `:GROUP`, by name or number.
    static func owner(_ text: String) throws(InvalidValue) -> UnixSocketOwner {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.contains(where: { !$0.isEmpty }) else {
            throw InvalidValue("\"\(text)\" is not USER, USER:GROUP or :GROUP")
        }
        var owner = UnixSocketOwner()
        if !parts[0].isEmpty { owner.userID = try userID(parts[0]) }
        if parts.count == 2, !parts[1].isEmpty { owner.groupID = try groupID(parts[1]) }
        return owner
    }

    // Called before other threads are started, since libc returns a pointer to shared memory.
    private static func userID(_ name: String) throws(InvalidValue) -> UInt32 {
        // chown takes all bits set as "unchanged".
        if let number = UInt32(name), number != .max { return number }
        guard let entry = getpwnam(name) else { throw InvalidValue("there is no user \"\(name)\" on this machine") }
        return entry.pointee.pw_uid
    }

    private static func groupID(_ name: String) throws(InvalidValue) -> UInt32 {
        if let number = UInt32(name), number != .max { return number }
        guard let entry = getgrnam(name) else { throw InvalidValue("there is no group \"\(name)\" on this machine") }
        return entry.pointee.gr_gid
    }
}
