import Bytes
import Glibc

/// Which addresses a request may connect to.
///
/// Checked for each socket with the address that it is about to connect to. Checking the name earlier would miss DNS rebinding;
/// checking the text would miss alternative spellings of an address.
public enum DestinationPolicy: Sendable, Hashable {
    case anywhere
    /// Only public addresses, never through a proxy, and always on a new connection, because a pooled one was opened without this
    /// check.
    case publicInternet

    func allows(_ address: IPAddress?) -> Bool {
        switch self {
        case .anywhere: true
        case .publicInternet: address?.isPublic ?? false
        }
    }
}

extension DestinationPolicy {
    /// Opens a socket for a kernel address, if the policy allows it.
    /// - Returns: the descriptor; -1 if none is left, nil if not allowed.
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
