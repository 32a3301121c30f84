/// The request target (RFC 9112 §3.2): path and query, decoded lazily from the raw text.
public struct RequestTarget: Sendable, Hashable, CustomStringConvertible {
    public enum Form: Sendable, Hashable {
        /// `/path?query`.
        case origin
        /// `http://host/path?query`, as sent to proxies; servers must accept it, too.
        case absolute
        /// `*`, only for OPTIONS.
        case asterisk
    }

    /// As received: visible ASCII.
    public let raw: String
    public let form: Form
    private let authorityStart: Int
    private let pathStart: Int
    private let pathEnd: Int

    /// Validates a target for a method other than CONNECT.
    init(_ octets: UnsafeRawBufferPointer, isOptions: Bool) throws(MessageError) {
        if octets.count == 1, octets[0] == UInt8(ascii: "*") {
            guard isOptions else { throw .invalidTarget }
            self.init(octets, form: .asterisk, authorityStart: 0, pathStart: 1, pathEnd: 1)
            return
        }
        var authorityStart = 0
        var pathStart = 0
        var form = Form.origin
        if octets.first != UInt8(ascii: "/") {
            form = .absolute
            if octets.count > 7, octets.slice(0, 7).equalsIgnoringCase("http://") {
                authorityStart = 7
            } else if octets.count > 8, octets.slice(0, 8).equalsIgnoringCase("https://") {
                authorityStart = 8
            } else {
                throw .invalidTarget
            }
            pathStart = authorityStart
            while pathStart < octets.count, octets[pathStart] != UInt8(ascii: "/"),
                octets[pathStart] != UInt8(ascii: "?")
            {
                pathStart += 1
            }
            guard Self.isAuthority(octets.slice(authorityStart, pathStart)) else { throw .invalidTarget }
        }
        let query = octets.slice(pathStart, octets.count).offset(of: UInt8(ascii: "?"))
        let pathEnd = query.map { $0 + pathStart } ?? octets.count
        let path = octets.slice(pathStart, pathEnd)
        guard OctetSet.path.containsAll(path), path.escapesAreWhole,
            OctetSet.query.containsAll(octets.slice(pathEnd, octets.count))
        else { throw .invalidTarget }
        self.init(octets, form: form, authorityStart: authorityStart, pathStart: pathStart, pathEnd: pathEnd)
    }

    private init(_ octets: UnsafeRawBufferPointer, form: Form, authorityStart: Int, pathStart: Int, pathEnd: Int) {
        raw = octets.text
        self.form = form
        self.authorityStart = authorityStart
        self.pathStart = pathStart
        self.pathEnd = pathEnd
    }

    public var description: String { raw }

    /// The raw path without the query; empty for `*`.
    public var path: String { text(pathStart, pathEnd) }

    /// The raw query without `?`; nil if there is none.
    public var query: String? {
        pathEnd < raw.utf8.count ? text(pathEnd + 1, raw.utf8.count) : nil
    }

    /// `host[:port]` of the absolute form.
    public var authority: String? { form == .absolute ? text(authorityStart, pathStart) : nil }

    /// The percent-decoded segments: `/v1/a%2Fb` is `["v1", "a/b"]`, `/` has none, a trailing slash gives an empty last one. Dot
    /// segments are not resolved, and invalid UTF-8 becomes U+FFFD: such a path matches no route.
    public var pathSegments: [String] {
        var segments: [String] = []
        let utf8 = raw.utf8
        var position = pathStart + 1
        while position < pathEnd || (position == pathEnd && !segments.isEmpty) {
            var end = position
            while end < pathEnd, utf8[utf8.index(utf8.startIndex, offsetBy: end)] != UInt8(ascii: "/") { end += 1 }
            segments.append(PercentEncoding.decode(text(position, end), plusIsSpace: false))
            position = end + 1
        }
        return segments
    }

    /// The decoded `name=value` items of the query.
    public var queryItems: QueryItems { QueryItems(query ?? "") }

    private func text(_ start: Int, _ end: Int) -> String {
        let utf8 = raw.utf8
        guard start < end else { return "" }
        let from = utf8.index(utf8.startIndex, offsetBy: start)
        return String(raw[from..<utf8.index(utf8.startIndex, offsetBy: end)])
    }

    /// `uri-host [":" port]` without user information: a name of unreserved characters, or a bracketed IPv6 address. Narrower than
    /// RFC 3986, whose `sub-delims` would accept two Host fields joined by a comma.
    static func isAuthority(_ octets: UnsafeRawBufferPointer) -> Bool {
        var end = 0
        if octets.first == UInt8(ascii: "[") {
            guard let bracket = octets.offset(of: UInt8(ascii: "]")), bracket > 2 else { return false }
            for octet in octets.slice(1, bracket) {
                guard octet.hexadecimalValue != nil || octet == UInt8(ascii: ":") || octet == UInt8(ascii: ".") else {
                    return false
                }
            }
            end = bracket + 1
        } else {
            while end < octets.count, OctetSet.hostName.contains(octets[end]) { end += 1 }
            guard end > 0 else { return false }
        }
        if end == octets.count { return true }
        guard octets[end] == UInt8(ascii: ":") else { return false }
        let port = octets.slice(end + 1, octets.count)
        if port.count == 0 { return true }
        guard port.count <= 5, let number = port.decimalNumber else { return false }
        return number <= 65_535
    }
}

extension UnsafeRawBufferPointer {
    /// Whether each `%` has its two hexadecimal digits.
    fileprivate var escapesAreWhole: Bool {
        guard offset(of: UInt8(ascii: "%")) != nil else { return true }
        for position in 0..<count where self[position] == UInt8(ascii: "%") {
            guard position + 2 < count, self[position + 1].hexadecimalValue != nil,
                self[position + 2].hexadecimalValue != nil
            else { return false }
        }
        return true
    }
}
