import Glibc

/// An IPv4 or IPv6 address without a port. 16 bytes, no allocation; suitable as a dictionary key.
///
/// IPv4 is stored in its IPv4-mapped form (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2), so an address reported by a dual-stack socket
/// equals its IPv4 form.
public struct IPAddress: Hashable, Sendable {
    /// The first and the last eight octets, as numbers in network order.
    let high: UInt64
    let low: UInt64

    /// Length of the longest text form, in bytes.
    public static let maxTextByteCount = 45
    private static let mappedPrefix: UInt64 = 0xFFFF

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The address whose number in host order is `v4`.
    public init(v4: UInt32) { self.init(high: 0, low: Self.mappedPrefix << 32 | UInt64(v4)) }

    /// 4 or 16 octets in network order; nil for any other count.
    public init?(octets: UnsafeRawBufferPointer) {
        switch octets.count {
        case 4: self.init(v4: UInt32(bigEndian: octets.loadUnaligned(as: UInt32.self)))
        case 16:
            self.init(
                high: UInt64(bigEndian: octets.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default: return nil
        }
    }

    /// Reads `192.0.2.1` or `2001:db8::1`; nil for anything else, including names, ports, brackets and zones.
    public init?(_ text: UnsafeRawBufferPointer) {
        guard text.count > 1, text.count <= Self.maxTextByteCount, !text.contains(0) else { return nil }
        let parsed = withUnsafeTemporaryAllocation(byteCount: Self.maxTextByteCount + 17, alignment: 8) { room -> IPAddress? in
            room.copyMemory(from: text)
            room[text.count] = 0
            let binary = UnsafeMutableRawBufferPointer(rebasing: room[(Self.maxTextByteCount + 1)...])
            guard let zeroTerminated = room.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
            if inet_pton(AF_INET, zeroTerminated, binary.baseAddress) == 1 {
                return IPAddress(octets: UnsafeRawBufferPointer(rebasing: binary[..<4]))
            }
            guard inet_pton(AF_INET6, zeroTerminated, binary.baseAddress) == 1 else { return nil }
            return IPAddress(octets: UnsafeRawBufferPointer(rebasing: binary[..<16]))
        }
        guard let parsed else { return nil }
        self = parsed
    }

    public init?(_ text: String) {
        var text = text
        guard let address = text.withUTF8({ IPAddress(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = address
    }

    public var isIPv4: Bool { high == 0 && low >> 32 == Self.mappedPrefix }

    /// `127.0.0.0/8` or `::1`.
    public var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// The unit to count clients by: an IPv4 address, or the /64 of an IPv6 address, within which addresses are free.
    public var network: IPAddress { isIPv4 ? self : prefix(64) }

    /// The address with all but the first `bitCount` of its 128 bits cleared.
    func prefix(_ bitCount: Int) -> IPAddress {
        IPAddress(high: high & Self.mask(bitCount), low: low & Self.mask(bitCount - 64))
    }

    private static func mask(_ bitCount: Int) -> UInt64 {
        bitCount <= 0 ? 0 : bitCount >= 64 ? .max : ~(.max >> UInt64(bitCount))
    }
}

extension IPAddress: CustomStringConvertible {
    /// The canonical text (RFC 5952).
    public var description: String {
        if isIPv4 { return [24, 16, 8, 0].map { String(low >> $0 & 0xFF) }.joined(separator: ".") }
        var octets = (high.bigEndian, low.bigEndian)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { room in
            guard let text = inet_ntop(AF_INET6, &octets, room.baseAddress, socklen_t(room.count)) else { return "::" }
            return String(cString: text)
        }
    }
}
