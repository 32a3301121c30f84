import CLinux
import Glibc

/// An IP address of a peer, in 16 bytes: what limits are kept by. IPv4 stands in its mapped form (`::ffff:a.b.c.d`).
public struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
    /// Big-endian halves.
    let high: UInt64
    let low: UInt64

    private static let mappedPrefix: UInt64 = 0xFFFF_0000_0000

    public init(ipv4 address: UInt32) {
        high = 0
        low = Self.mappedPrefix | UInt64(address)
    }

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The peer of a connected socket; nil for a Unix socket or one whose peer is gone.
    public init?(ofSocket descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        guard code == 0 else { return nil }
        switch Int32(storage.ss_family) {
        case AF_INET:
            let address = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr.s_addr }
            }
            self.init(ipv4: UInt32(bigEndian: address))
        case AF_INET6:
            let (high, low) = withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                    withUnsafeBytes(of: pointer.pointee.sin6_addr) {
                        (
                            UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                            UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                        )
                    }
                }
            }
            self.init(high: high, low: low)
        default: return nil
        }
    }

    private var isIPv4: Bool { high == 0 && low >> 32 == Self.mappedPrefix >> 32 }

    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool { isIPv4 ? (low >> 24) & 0xFF == 127 : high == 0 && low == 1 }

    /// What one customer usually has: an IPv4 address, or a /64 of IPv6, out of which addresses cost nothing.
    public var network: PeerAddress { isIPv4 ? self : PeerAddress(high: high, low: 0) }

    public var description: String {
        if isIPv4 { return [24, 16, 8, 0].map { String((low >> UInt64($0)) & 0xFF) }.joined(separator: ".") }
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) {
            $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
            $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
