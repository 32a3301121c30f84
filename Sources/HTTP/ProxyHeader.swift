public import Bytes

/// What a proxy says in front of a connection about whom it stands for: the PROXY protocol, versions 1 and 2
/// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt).
public struct ProxyHeader: Sendable, Hashable {
    /// Who connected to the proxy, and where.
    public struct Route: Sendable, Hashable {
        public var source: IPAddress
        public var sourcePort: UInt16
        public var destination: IPAddress
        public var destinationPort: UInt16
    }

    /// Nil when the proxy speaks for itself (`LOCAL`: a health check), when it cannot say (`UNKNOWN`, `UNSPEC`), and for Unix
    /// sockets: the address of the connection itself is then all that is known.
    public var route: Route?
}

/// Why what stood in front of a connection is no PROXY header. Close: nobody knows what the rest would be.
public enum ProxyHeaderError: Error, Hashable, Sendable {
    /// Neither `PROXY ` nor the signature of version 2: a client, not a proxy.
    case noHeader
    /// A line of version 1 that is not as the protocol has it, or has no end within 107 bytes.
    case malformedLine
    /// Not version 2, or a command or transport that a stream cannot have.
    case unsupported
    /// Addresses or TLVs that do not fit the length.
    case malformedBinary
    /// More than ``ProxyHeaderParser/maxByteCount`` bytes.
    case tooLong
}

/// Reads one PROXY header from the front of a connection, without I/O, and not one byte more.
public struct ProxyHeaderParser: Sendable {
    /// Bytes of a header, of which version 2 could announce 65,551. TLVs that proxies send have some hundred.
    public static let maxByteCount = 4096
    /// Bytes of a line of version 1 with its CRLF.
    static let maxLineByteCount = 107
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let linePrefix = Array("PROXY ".utf8)
    private static let fixedByteCount = 16

    private var header: [UInt8] = []

    public init() {}

    /// Takes bytes from the front of `input` until the header is whole.
    /// - Returns: nil as long as more is needed; all input is used up then.
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
        // What follows UNKNOWN is to be passed over.
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

    /// Decimal, without zeros in front.
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
        // Each octet is judged when it comes: noise is not waited for.
        switch position {
        case 12: if header[12] != 0x20, header[12] != 0x21 { throw .unsupported }
        case 13:
            // LOCAL says nothing about addresses, whatever stands there.
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

    /// Type, length, value: passed over, but they must fill the rest exactly.
    private static func checkTLVs(_ octets: UnsafeRawBufferPointer) throws(ProxyHeaderError) {
        var position = 0
        while position < octets.count {
            guard position + 3 <= octets.count else { throw .malformedBinary }
            position += 3 + (Int(octets[position + 1]) << 8 | Int(octets[position + 2]))
        }
        guard position == octets.count else { throw .malformedBinary }
    }
}
