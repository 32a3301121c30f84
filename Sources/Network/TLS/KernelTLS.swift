import CLinux
import Glibc

/// Kernel TLS (kTLS).
public enum KernelTLS {
    /// Checked once: without support, each attempt could make the kernel search for its module again.
    ///
    /// An unconnected socket cannot enable it, but the error distinguishes a kernel with TLS (`ENOTCONN`) from one without
    /// (`ENOENT`).
    public static let isAvailable: Bool = {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return false }
        defer { close(probe) }
        let name: [UInt8] = Array("tls".utf8)
        return setsockopt(probe, Int32(IPPROTO_TCP), TCP_ULP, name, socklen_t(name.count)) == 0 || errno == ENOTCONN
    }()
}
