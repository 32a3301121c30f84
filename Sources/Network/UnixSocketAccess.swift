import Glibc

/// Access to a Unix socket: mode and owner of its file.
public struct UnixSocketAccess: Sendable, Hashable {
    /// Permission bits as for `chmod`; nil: as given by the umask.
    public var mode: UInt32?
    /// nil: the process's own.
    public var userID: UInt32?
    public var groupID: UInt32?

    public init(mode: UInt32? = nil, userID: UInt32? = nil, groupID: UInt32? = nil) {
        self.mode = mode
        self.userID = userID
        self.groupID = groupID
    }

    /// Called between `bind` and `listen`, before clients can connect.
    func apply(to path: String) throws(SystemCallError) {
        if let mode { try systemCall("chmod") { chmod(path, mode) } }
        guard userID != nil || groupID != nil else { return }
        // -1 leaves an owner unchanged.
        try systemCall("chown") { chown(path, userID ?? .max, groupID ?? .max) }
    }
}
