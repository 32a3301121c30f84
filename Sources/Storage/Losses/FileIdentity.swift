import CLinux
import JSON

/// The identity of the file at a path, which its copies do not share.
///
/// The device is left out: its number may differ after each boot. Inode numbers are reused, so the identity includes the birth
/// time, which only the file system sets.
struct FileIdentity: Sendable, Equatable {
    let inode: UInt64
    /// Nanoseconds since 1970; 0 if the file system does not record it.
    let birth: Int64

    init(inode: UInt64, birth: Int64) {
        self.inode = inode
        self.birth = birth
    }

    /// Nil if there is no file.
    init?(of path: String) {
        var (inode, birth): (UInt64, Int64) = (0, 0)
        guard clinux_identify(path, &inode, &birth) == 0 else { return nil }
        self.init(inode: inode, birth: birth)
    }
}

extension FileIdentity {
    /// As text, since JSON cannot represent every 64-bit number.
    var json: JSONValue { .string("\(inode) \(birth)") }

    init?(_ json: JSONValue?) {
        let parts = json?.string?.split(separator: " ") ?? []
        guard parts.count == 2, let inode = UInt64(parts[0]), let birth = Int64(parts[1]) else { return nil }
        self.init(inode: inode, birth: birth)
    }
}
