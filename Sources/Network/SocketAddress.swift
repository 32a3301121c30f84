import Bytes
import CLinux
import Glibc

/// An address to listen on or connect to: TCP or a Unix socket.
public enum SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// A host name or address, and a port (0: the kernel chooses when listening).
    case tcp(host: String, port: UInt16)
    /// A path in the file system, at most 107 bytes.
    case unix(path: String)

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Calls `body` with the kernel's form. Resolves names, which may block, so do not call it on a running loop.
    func withSockaddr<Result>(
        _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws(SystemCallError) -> Result
    ) throws(SystemCallError) -> Result {
        switch self {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            guard bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.isEmpty else {
                throw SystemCallError(call: "unix socket path", code: ENAMETOOLONG)
            }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            let result: Swift.Result<Result, SystemCallError> = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    do throws(SystemCallError) {
                        return .success(try body(AF_UNIX, pointer, socklen_t(MemoryLayout<sockaddr_un>.size)))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return try result.get()
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
            var list: UnsafeMutablePointer<addrinfo>?
            let code = getaddrinfo(host, String(port), &hints, &list)
            guard code == 0, let first = list, let address = first.pointee.ai_addr else {
                throw SystemCallError(call: "look-up of \(host)", code: ENXIO)
            }
            defer { freeaddrinfo(list) }
            return try body(first.pointee.ai_family, address, first.pointee.ai_addrlen)
        }
    }
}

extension IPAddress {
    /// From the kernel's form; nil for other address families.
    init?(_ address: sockaddr_storage) {
        let found = withUnsafeBytes(of: address) { bytes -> IPAddress? in
            switch Int32(address.ss_family) {
            case AF_INET: IPAddress(octets: .init(rebasing: bytes[4..<8]))
            case AF_INET6: IPAddress(octets: .init(rebasing: bytes[8..<24]))
            default: nil
            }
        }
        guard let found else { return nil }
        self = found
    }
}
