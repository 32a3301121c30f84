import CLinux
import JSON

/// Which file stands at a path, as opposed to a copy of it.
///
/// The device is left out: its number may be another after each boot. Numbers of inodes are used again, so the time at which the file
/// was made belongs to it; nothing but the file system sets that.
struct FileIdentity: Sendable, Equatable {
    let inode: UInt64
    /// In nanoseconds since 1970; 0 where the file system does not know.
    let birth: Int64

    init(inode: UInt64, birth: Int64) {
        self.inode = inode
        self.birth = birth
    }

    /// Nil where there is no file.
    init?(of path: String) {
        var (inode, birth): (UInt64, Int64) = (0, 0)
        guard clinux_identify(path, &inode, &birth) == 0 else { return nil }
        self.init(inode: inode, birth: birth)
    }
}

extension FileIdentity {
    /// As text, since not every number of 64 bits is one of JSON's.
    var json: JSONValue { .string("\(inode) \(birth)") }

    init?(_ json: JSONValue?) {
        let parts = json?.string?.split(separator: " ") ?? []
        guard parts.count == 2, let inode = UInt64(parts[0]), let birth = Int64(parts[1]) else { return nil }
        self.init(inode: inode, birth: birth)
    }
}
