import Glibc

/// Who may connect by a Unix socket: the mode and the owners of its file.
public struct UnixSocketAccess: Sendable, Hashable {
    /// Permission bits, as of `chmod`; nil: what the umask leaves.
    public var mode: UInt32?
    /// nil: the process's own.
    public var userID: UInt32?
    public var groupID: UInt32?

    public init(mode: UInt32? = nil, userID: UInt32? = nil, groupID: UInt32? = nil) {
        self.mode = mode
        self.userID = userID
        self.groupID = groupID
    }

    /// Called between `bind` and `listen`: till then nobody can connect.
    func apply(to path: String) throws(SystemCallError) {
        if let mode { try systemCall("chmod") { chmod(path, mode) } }
        guard userID != nil || groupID != nil else { return }
        // The owner that is not given stays, which -1 says.
        try systemCall("chown") { chown(path, userID ?? .max, groupID ?? .max) }
    }
}
