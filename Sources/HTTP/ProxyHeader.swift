public import Bytes

/// The header with which a proxy passes on a client's address at the start of a connection: the PROXY protocol, versions 1 and 2
/// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt).
public struct ProxyHeader: Sendable, Hashable {
    /// The client's address, and the address it connected to.
    public struct Route: Sendable, Hashable {
        public var source: IPAddress
        public var sourcePort: UInt16
        public var destination: IPAddress
        public var destinationPort: UInt16
    }

    /// Nil for the proxy's own connections (`LOCAL`: health checks), for `UNKNOWN` and `UNSPEC`, and for Unix sockets: use the
    /// address of the connection itself.
    public var route: Route?
}

/// Why the start of a connection is not a valid PROXY header. Close the connection: the rest cannot be interpreted.
public enum ProxyHeaderError: Error, Hashable, Sendable {
    /// Neither `PROXY ` nor the signature of version 2: a client, not a proxy.
    case noHeader
    /// A malformed version 1 line, or one without an end within 107 bytes.
    case malformedLine
    /// Not version 2, or a command or transport invalid for streams.
    case unsupported
    /// Addresses or TLVs that do not match the length.
    case malformedBinary
    /// More than ``ProxyHeaderParser/maxByteCount`` bytes.
    case tooLong
}

/// Parses one PROXY header at the start of a connection, without I/O. Consumes no byte after it.
public struct ProxyHeaderParser: Sendable {
    /// Most bytes of a header. Version 2 allows 65,551; proxies' TLVs take a few hundred.
    public static let maxByteCount = 4096
    /// Most bytes of a version 1 line with its CRLF.
    static let maxLineByteCount = 107
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let linePrefix = Array("PROXY ".utf8)
    private static let fixedByteCount = 16

    private var header: [UInt8] = []

    public init() {}

    /// Consumes bytes from the front of `input` until the header is complete.
    /// - Returns: nil if more input is needed; all of `input` is then consumed.
    public mutating func next(_ input: inout UnsafeRawBufferPointer) throws(ProxyHeaderError) -> ProxyHeader? {
        while let octet = input.first {
            input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
            header.append(octet)
            if header[0] == Self.signature[0] {
                if let header = try takeBinary() { return header }
            } else if let header = try takeLine() {
                return header
            }
        }
        return nil
    }

    // MARK: Version 1

    private func takeLine() throws(ProxyHeaderError) -> ProxyHeader? {
        let position = header.count - 1
        if position < Self.linePrefix.count {
            if header[position] != Self.linePrefix[position] { throw .noHeader }
            return nil
        }
        guard header[position] == .lineFeed else {
            if header.count >= Self.maxLineByteCount { throw .malformedLine }
            return nil
        }
        guard header[position - 1] == .carriageReturn else { throw .malformedLine }
        return try header.withUnsafeBufferPointer { (octets) throws(ProxyHeaderError) in
            try Self.line(UnsafeRawBufferPointer(octets).slice(Self.linePrefix.count, position - 1))
        }
    }

    private static func line(_ rest: UnsafeRawBufferPointer) throws(ProxyHeaderError) -> ProxyHeader {
        var words: [UnsafeRawBufferPointer] = []
        var start = 0
        for position in 0...rest.count where position == rest.count || rest[position] == .space {
            words.append(rest.slice(start, position))
            start = position + 1
        }
        let family = words[0].text
        // The rest of an UNKNOWN line is ignored.
        if family == "UNKNOWN" { return ProxyHeader(route: nil) }
        guard family == "TCP4" || family == "TCP6", words.count == 5 else { throw .malformedLine }
        let isIPv6 = family == "TCP6"
        guard let source = IPAddress(words[1]), let destination = IPAddress(words[2]), let sourcePort = port(words[3]),
            let destinationPort = port(words[4]), words[1].contains(UInt8(ascii: ":")) == isIPv6,
            words[2].contains(UInt8(ascii: ":")) == isIPv6
        else { throw .malformedLine }
        return ProxyHeader(
            route: .init(source: source, sourcePort: sourcePort, destination: destination, destinationPort: destinationPort))
    }

    /// Decimal without leading zeros.
    private static func port(_ text: UnsafeRawBufferPointer) -> UInt16? {
        guard text.count <= 5, text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
        return text.decimalNumber.flatMap(UInt16.init(exactly:))
    }

    // MARK: Version 2

    private func takeBinary() throws(ProxyHeaderError) -> ProxyHeader? {
        let position = header.count - 1
        if position < Self.signature.count {
            if header[position] != Self.signature[position] { throw .noHeader }
            return nil
        }
        // Each octet is validated as it arrives, so noise is refused at once.
        switch position {
        case 12: if header[12] != 0x20, header[12] != 0x21 { throw .unsupported }
        case 13:
            // The addresses of LOCAL are ignored.
            if header[12] == 0x21, !Self.families.contains(header[13]) { throw .unsupported }
        default: break
        }
        guard header.count >= Self.fixedByteCount else { return nil }
        let length = Int(header[14]) << 8 | Int(header[15])
        guard Self.fixedByteCount + length <= Self.maxByteCount else { throw .tooLong }
        guard header.count == Self.fixedByteCount + length else { return nil }
        return try header.withUnsafeBufferPointer { (octets) throws(ProxyHeaderError) in
            let octets = UnsafeRawBufferPointer(octets)
            return try Self.binary(octets.slice(Self.fixedByteCount, octets.count), command: octets[12], family: octets[13])
        }
    }

    /// UNSPEC, and TCP over IPv4, over IPv6, and a Unix stream.
    private static let families: [UInt8] = [0x00, 0x11, 0x21, 0x31]

    private static func binary(
        _ rest: UnsafeRawBufferPointer, command: UInt8, family: UInt8
    ) throws(ProxyHeaderError) -> ProxyHeader {
        guard command == 0x21, family != 0x00 else { return ProxyHeader(route: nil) }
        let width = family == 0x11 ? 4 : family == 0x21 ? 16 : 108
        let addressByteCount = 2 * width + (family == 0x31 ? 0 : 4)
        guard rest.count >= addressByteCount else { throw .malformedBinary }
        try checkTLVs(rest.slice(addressByteCount, rest.count))
        guard family != 0x31, let source = IPAddress(octets: rest.slice(0, width)),
            let destination = IPAddress(octets: rest.slice(width, 2 * width))
        else { return ProxyHeader(route: nil) }
        func port(_ offset: Int) -> UInt16 { UInt16(rest[offset]) << 8 | UInt16(rest[offset + 1]) }
        return ProxyHeader(
            route: .init(
                source: source, sourcePort: port(2 * width), destination: destination, destinationPort: port(2 * width + 2)))
    }

    /// Type, length, value: ignored, but they must fill the rest exactly.
    private static func checkTLVs(_ octets: UnsafeRawBufferPointer) throws(ProxyHeaderError) {
        var position = 0
        while position < octets.count {
            guard position + 3 <= octets.count else { throw .malformedBinary }
            position += 3 + (Int(octets[position + 1]) << 8 | Int(octets[position + 2]))
        }
        guard position == octets.count else { throw .malformedBinary }
    }
}
