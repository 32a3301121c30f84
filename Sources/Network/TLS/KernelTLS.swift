import CLinux
import Glibc

/// Whether the kernel encrypts by itself (kTLS).
public enum KernelTLS {
    /// Asked once: where it is missing, each further attempt could have the kernel look for its module anew.
    ///
    /// A socket without a connection cannot turn it on; what it answers tells a kernel that knows TLS (`ENOTCONN`) from one
    /// that does not (`ENOENT`).
    public static let isAvailable: Bool = {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return false }
        defer { close(probe) }
        let name: [UInt8] = Array("tls".utf8)
        return setsockopt(probe, Int32(IPPROTO_TCP), TCP_ULP, name, socklen_t(name.count)) == 0 || errno == ENOTCONN
    }()
}
