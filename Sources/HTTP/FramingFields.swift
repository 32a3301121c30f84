/// Content-Length and Transfer-Encoding, collected from the fields of a message and evaluated together (RFC 9112 §6.3).
struct FramingFields {
    private enum Coding {
        case chunked
        /// An unknown coding, before a final `chunked` or alone.
        case unsupported
        case invalid
    }

    private var contentLength: Int?
    private var coding: Coding?

    mutating func take(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(MessageError) {
        switch name.count {
        case 14 where name.equalsIgnoringCase("content-length"):
            if contentLength != nil { throw .repeatedContentLength }
            guard let number = value.decimalNumber else { throw .invalidContentLength }
            contentLength = number
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            coding = coding == nil ? Self.coding(value) : .invalid
        default:
            break
        }
    }

    /// The framing; nil if neither field was there.
    func conclude(minorVersion: Int) throws(MessageError) -> BodyFraming? {
        guard let coding else { return contentLength.map { $0 == 0 ? .none : .length($0) } }
        if contentLength != nil { throw .contentLengthWithTransferEncoding }
        if minorVersion == 0 { throw .transferEncodingInOldVersion }
        switch coding {
        case .chunked: return .chunked
        case .unsupported: throw .unsupportedTransferEncoding
        case .invalid: throw .invalidTransferEncoding
        }
    }

    /// Plain `chunked` is supported. Anything but that or a well-formed list of other tokens is treated as a smuggling attempt.
    private static func coding(_ value: UnsafeRawBufferPointer) -> Coding {
        if value.equalsIgnoringCase("chunked") { return .chunked }
        var rest = value
        var chunkedCount = 0
        while true {
            let end = rest.endOfListMember
            let member = rest.slice(0, end).trimmingBlanks
            guard member.count > 0, OctetSet.token.containsAll(member), chunkedCount == 0 else { return .invalid }
            if member.equalsIgnoringCase("chunked") { chunkedCount += 1 }
            if end == rest.count { return .unsupported }
            rest = rest.slice(end + 1, rest.count)
        }
    }
}
