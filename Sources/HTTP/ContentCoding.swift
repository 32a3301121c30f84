/// How a body is compressed (RFC 9110 §8.4.1).
public enum ContentCoding: Sendable, Hashable {
    /// RFC 1952, with one or more members.
    case gzip
    /// zlib's format (RFC 1950) as defined, or raw DEFLATE (RFC 1951), which many clients send under this name.
    case deflate

    /// The `Accept-Encoding` value in the answer to any other coding.
    public static let acceptable = "gzip, deflate"

    /// The coding given by all Content-Encoding fields; nil if there is none. `identity` is ignored.
    /// - Throws: ``MessageError/unsupportedContentCoding`` for any other coding and for more than one.
    public init?(_ fields: HeaderFields) throws(MessageError) {
        var found: ContentCoding?
        var isSupported = true
        fields.forEachValue(of: "content-encoding") { value in
            var rest = value
            while rest.count > 0 {
                let end = rest.endOfListMember
                let member = rest.slice(0, end).trimmingBlanks
                rest = rest.slice(min(end + 1, rest.count), rest.count)
                if member.count == 0 || member.equalsIgnoringCase("identity") { continue }
                let coding = ContentCoding(name: member)
                isSupported = isSupported && coding != nil && found == nil
                found = coding
            }
            return isSupported
        }
        guard isSupported else { throw .unsupportedContentCoding }
        guard let found else { return nil }
        self = found
    }

    private init?(name: UnsafeRawBufferPointer) {
        if name.equalsIgnoringCase("gzip") || name.equalsIgnoringCase("x-gzip") {
            self = .gzip
        } else if name.equalsIgnoringCase("deflate") {
            self = .deflate
        } else {
            return nil
        }
    }
}
