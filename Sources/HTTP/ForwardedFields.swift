import Bytes

/// One hop of a request: the client that a proxy received it from. Nil if the proxy does not disclose it: `unknown`, an obfuscated
/// name (`_hidden`), or nothing.
struct ForwardedHop: Hashable {
    var address: IPAddress?
    var scheme: ClientScheme?
}

/// Parsers of the fields in which proxies pass on client addresses; the nearest hop is the last.
enum ForwardedFields {
    /// `Forwarded` (RFC 7239 §4): all fields of that name form one list.
    static func forwarded(_ fields: HeaderFields) throws(ForwardedError) -> [ForwardedHop] {
        var hops: [ForwardedHop] = []
        var failure: ForwardedError?
        fields.forEachValue(of: "forwarded") { value in
            do throws(ForwardedError) {
                try appendHops(value, to: &hops)
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        return hops
    }

    private static func appendHops(_ value: UnsafeRawBufferPointer, to hops: inout [ForwardedHop]) throws(ForwardedError) {
        var rest = value
        while rest.count > 0 {
            let end = rest.endOfListMember
            let member = rest.slice(0, end).trimmingBlanks
            // Empty list members are ignored (RFC 9110 §5.6.1.2).
            if member.count > 0 { hops.append(try hop(member)) }
            rest = rest.slice(min(end + 1, rest.count), rest.count)
        }
    }

    private static func hop(_ member: UnsafeRawBufferPointer) throws(ForwardedError) -> ForwardedHop {
        var hop = ForwardedHop()
        var names: Set<String> = []
        var rest = member
        while rest.count > 0 {
            let equals = rest.offset(of: UInt8(ascii: "=")) ?? rest.count
            let name = rest.slice(0, equals)
            guard equals < rest.count, name.count > 0, OctetSet.token.containsAll(name) else { throw .malformed }
            rest = rest.slice(equals + 1, rest.count)
            let text = try parameterValue(&rest)
            // Each at most once in an element (RFC 7239 §4).
            guard names.insert(name.text.lowercased()).inserted else { throw .malformed }
            if name.equalsIgnoringCase("for") {
                hop.address = try node(text)
            } else if name.equalsIgnoringCase("proto") {
                hop.scheme = text.withUnsafeBytes { ClientScheme($0) }
            }
        }
        return hop
    }

    /// Consumes a token or a quoted string, and an optional semicolon.
    private static func parameterValue(_ rest: inout UnsafeRawBufferPointer) throws(ForwardedError) -> [UInt8] {
        var text: [UInt8] = []
        var position = 0
        if rest.first == UInt8(ascii: "\"") {
            position = 1
            while true {
                guard position < rest.count else { throw .malformed }
                if rest[position] == UInt8(ascii: "\"") { break }
                if rest[position] == UInt8(ascii: "\\") { position += 1 }
                guard position < rest.count else { throw .malformed }
                text.append(rest[position])
                position += 1
            }
            position += 1
        } else {
            position = rest.offset(of: UInt8(ascii: ";")) ?? rest.count
            text = Array(rest.slice(0, position))
            guard !text.isEmpty, OctetSet.token.containsAll(rest.slice(0, position)) else { throw .malformed }
        }
        if position < rest.count {
            guard rest[position] == UInt8(ascii: ";") else { throw .malformed }
            position += 1
        }
        rest = rest.slice(position, rest.count)
        return text
    }

    /// `node` of RFC 7239 §6: an address with an optional port, or an obfuscated name.
    private static func node(_ text: [UInt8]) throws(ForwardedError) -> IPAddress? {
        try text.withUnsafeBufferPointer { (octets) throws(ForwardedError) in
            let text = UnsafeRawBufferPointer(octets)
            if let address = address(text) {
                // Without brackets, the port of an IPv6 address would be ambiguous.
                if !address.isIPv4, text.first != UInt8(ascii: "[") { throw .malformed }
                return address
            }
            let name = text.slice(0, text.offset(of: UInt8(ascii: ":")) ?? text.count)
            guard name.equalsIgnoringCase("unknown") || name.first == UInt8(ascii: "_") && OctetSet.hostName.containsAll(name)
            else {
                throw .malformed
            }
            return nil
        }
    }

    /// `X-Forwarded-For`, which no standard defines: addresses, some with ports; anything else is an unknown hop.
    static func forwardedFor(_ fields: HeaderFields) -> [ForwardedHop] {
        var hops: [ForwardedHop] = []
        fields.forEachValue(of: "x-forwarded-for") { value in
            for member in value.split(separator: UInt8(ascii: ",")) {
                let text = UnsafeRawBufferPointer(rebasing: member).trimmingBlanks
                if text.count > 0 { hops.append(ForwardedHop(address: address(text))) }
            }
            return true
        }
        return hops
    }

    /// `X-Forwarded-Proto`: the last entry is from the nearest proxy.
    static func forwardedScheme(_ fields: HeaderFields) -> ClientScheme? {
        var scheme: ClientScheme?
        fields.forEachValue(of: "x-forwarded-proto") { value in
            for member in value.split(separator: UInt8(ascii: ",")) {
                scheme = ClientScheme(UnsafeRawBufferPointer(rebasing: member).trimmingBlanks)
            }
            return true
        }
        return scheme
    }

    /// `192.0.2.1`, `192.0.2.1:47011`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:47011`.
    private static func address(_ text: UnsafeRawBufferPointer) -> IPAddress? {
        if text.first == UInt8(ascii: "[") {
            guard let end = text.offset(of: UInt8(ascii: "]")), isPort(text.slice(end + 1, text.count)) else { return nil }
            let inner = text.slice(1, end)
            return inner.offset(of: UInt8(ascii: ":")) == nil ? nil : IPAddress(inner)
        }
        if let address = IPAddress(text) { return address }
        guard let colon = text.offset(of: UInt8(ascii: ":")), isPort(text.slice(colon, text.count)) else { return nil }
        return IPAddress(text.slice(0, colon))
    }

    /// Nothing, or a colon and a port; RFC 7239 also allows an obfuscated port.
    private static func isPort(_ text: UnsafeRawBufferPointer) -> Bool {
        if text.count == 0 { return true }
        guard text.count > 1, text[0] == UInt8(ascii: ":") else { return false }
        let port = text.slice(1, text.count)
        if port.first == UInt8(ascii: "_") { return OctetSet.hostName.containsAll(port) }
        return port.count <= 5 && port.decimalNumber != nil
    }
}
