/// The items of a query in order, decoded as `application/x-www-form-urlencoded` (WHATWG URL §5.1): `+` is a space, an incomplete
/// escape is literal, an item without `=` has an empty value.
public struct QueryItems: Sendable, Hashable {
    public struct Item: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    public let items: [Item]

    /// - Parameter query: without the `?`.
    public init(_ query: String) {
        items = query.split(separator: "&").map { item in
            let equals = item.firstIndex(of: "=") ?? item.endIndex
            let value = equals == item.endIndex ? "" : item[item.index(after: equals)...]
            return Item(
                name: PercentEncoding.decode(String(item[..<equals]), plusIsSpace: true),
                value: PercentEncoding.decode(String(value), plusIsSpace: true))
        }
    }

    private init(_ items: [Item]) { self.items = items }

    /// A copy without the items with those names.
    public func removing(_ names: Set<String>) -> QueryItems { QueryItems(items.filter { !names.contains($0.name) }) }

    /// The value of the first item with that name.
    public subscript(name: String) -> String? {
        items.first { $0.name == name }?.value
    }

    /// The values of an array parameter in order, in the spellings that the OpenAI SDKs use: `include[]=a&include[]=b`
    /// (also with escaped brackets), `include[0]=a`, and `include=a&include=b`.
    public func array(_ name: String) -> [String] {
        items.filter { item in
            guard item.name.hasPrefix(name) else { return false }
            let index = item.name.dropFirst(name.count)
            if index.isEmpty { return true }
            guard index.first == "[", index.last == "]", index.count >= 2 else { return false }
            return index.dropFirst().dropLast().utf8.allSatisfy(\.isDigit)
        }.map(\.value)
    }
}

/// RFC 3986 §2.1.
enum PercentEncoding {
    static func decode(_ text: String, plusIsSpace: Bool) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
            return text
        }
        var octets: [UInt8] = []
        octets.reserveCapacity(text.utf8.count)
        var rest = text.utf8[...]
        while let octet = rest.popFirst() {
            switch octet {
            case UInt8(ascii: "+") where plusIsSpace:
                octets.append(.space)
            case UInt8(ascii: "%"):
                let digits = rest.prefix(2)
                if digits.count == 2, let high = digits.first?.hexadecimalValue, let low = digits.last?.hexadecimalValue {
                    octets.append(high << 4 | low)
                    rest = rest.dropFirst(2)
                } else {
                    octets.append(octet)
                }
            default:
                octets.append(octet)
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
