/// A range of addresses with a common prefix: `10.0.0.0/8`, `2001:db8::/32`, or one address alone (RFC 4632 §3.1).
public struct CIDRBlock: Hashable, Sendable {
    /// Why a text is not a valid range.
    public enum ParseError: Error, Hashable, Sendable {
        case noAddress
        case noPrefixLength(max: Int)
        /// Bits are set beyond the prefix: the address or the prefix is wrong. `meant` is the range that contains the address.
        case bitsBeyondPrefix(meant: String)
    }

    /// The lowest address of the range.
    public let base: IPAddress
    /// Counts from the 128-bit form; an IPv4 address is its last 32 bits.
    private let prefixBitCount: Int

    /// The range that contains only this address.
    public init(_ address: IPAddress) {
        base = address
        prefixBitCount = 128
    }

    /// - Throws: ``ParseError``.
    public init(_ text: String) throws(ParseError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { throw .noAddress }
        // Written in IPv6 form, `::ffff:0:0/96` would mean all of IPv4.
        let isIPv4 = address.isIPv4 && !parts[0].contains(":")
        let width = isIPv4 ? 32 : 128
        var length = width
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ $0 &- 48 < 10 }), let number = Int(parts[1]), number <= width
            else { throw .noPrefixLength(max: width) }
            length = number
        }
        prefixBitCount = 128 - width + length
        base = address
        let lowest = address.prefix(prefixBitCount)
        if lowest != address { throw .bitsBeyondPrefix(meant: "\(lowest)/\(length)") }
    }

    public func contains(_ address: IPAddress) -> Bool { address.prefix(prefixBitCount) == base }
}

extension CIDRBlock: CustomStringConvertible {
    public var description: String {
        base.isIPv4 && prefixBitCount >= 96 ? "\(base)/\(prefixBitCount - 96)" : "\(base)/\(prefixBitCount)"
    }
}
