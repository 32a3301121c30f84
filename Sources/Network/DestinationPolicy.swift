import Bytes
import Glibc

/// Where a request may connect to.
///
/// Checked for each socket with the very address that it is about to connect to. A check of the name before would miss a name that
/// resolves to another address the next time (DNS rebinding), and one of the text the forms in which an address can be written.
public enum DestinationPolicy: Sendable, Hashable {
    case anywhere
    /// Only to addresses of the public Internet, never through a proxy, and on a connection of its own: one that was opened for
    /// another request went through no check.
    case publicInternet

    func allows(_ address: IPAddress?) -> Bool {
        switch self {
        case .anywhere: true
        case .publicInternet: address?.isPublic ?? false
        }
    }
}

extension DestinationPolicy {
    /// Opens a socket for an address in the kernel's form, unless nothing may connect to it.
    /// - Returns: its descriptor; -1 when there is none, nil when it is not allowed.
    func openSocket(family: Int32, type: Int32, protocol: Int32, _ address: UnsafeRawPointer?, byteCount: Int) -> Int32? {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { room in
            guard let address else { return }
            room.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(byteCount, room.count)))
        }
        guard allows(IPAddress(storage)) else { return nil }
        return socket(family, type | Int32(SOCK_CLOEXEC.rawValue), `protocol`)
    }
}
