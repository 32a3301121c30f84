extension IPAddress {
    /// Whether the address is on the public Internet: not loopback, not private, not reserved for a special purpose (IANA's
    /// registries, RFC 6890 and after), and not a cloud's metadata service.
    ///
    /// Guards connections to addresses that clients choose; unknown ranges count as private.
    public var isPublic: Bool {
        if isIPv4 { return !Self.specialIPv4.contains { $0.contains(self) } }
        if let embedded = embeddedIPv4 { return embedded.isPublic }
        return Self.globalUnicast.contains { $0.contains(self) } && !Self.specialIPv6.contains { $0.contains(self) }
    }

    /// The IPv4 address that a NAT64 gateway connects to for this one (RFC 6052: `64:ff9b::/96`).
    private var embeddedIPv4: IPAddress? {
        high == 0x0064_FF9B_0000_0000 && low >> 32 == 0 ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : nil
    }

    private static let specialIPv4 = blocks(
        "0.0.0.0/8",  // this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private, RFC 1918
        "100.64.0.0/10",  // shared by carriers, RFC 6598; a metadata service at 100.100.100.200
        "127.0.0.0/8",  // loopback
        "169.254.0.0/16",  // link-local; the metadata services at 169.254.169.254
        "168.63.129.16",  // Azure's, although of a public range
        "192.0.0.0/24", "192.88.99.0/24",  // protocol assignments, 6to4 relays
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  // documentation
        "198.18.0.0/15",  // benchmarks
        "224.0.0.0/4", "240.0.0.0/4")  // multicast; reserved, and broadcast

    private static let globalUnicast = blocks("2000::/3")

    private static let specialIPv6 = blocks(
        "2001::/23",  // protocol assignments, Teredo among them
        "2001:db8::/32", "3fff::/20",  // documentation
        "2002::/16")  // 6to4, which hides an IPv4 address

    private static func blocks(_ texts: String...) -> [CIDRBlock] {
        texts.compactMap { try? CIDRBlock($0) }
    }
}
