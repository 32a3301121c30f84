/// Header fields in wire order, with case-insensitive names (RFC 9110 §5).
///
/// All names and values are in one array of octets, so a head takes two allocations regardless of the number of fields. Names are
/// tokens, and values have no control characters: both are validated on insertion.
public struct HeaderFields: Sendable {
    struct Entry: Sendable {
        var nameOffset: UInt32
        var nameByteCount: UInt32
        var valueOffset: UInt32
        var valueByteCount: UInt32
    }

    private(set) var octets: [UInt8] = []
    private(set) var entries: [Entry] = []

    public init() {}

    mutating func reserve(fields: Int, bytes: Int) {
        entries.reserveCapacity(fields)
        octets.reserveCapacity(bytes)
    }

    /// Appends a validated line in one copy, with its colon and blanks.
    mutating func append(checkedLine line: UnsafeRawBufferPointer, nameByteCount: Int, value: Range<Int>) {
        let start = octets.count
        entries.append(
            Entry(
                nameOffset: UInt32(truncatingIfNeeded: start),
                nameByteCount: UInt32(truncatingIfNeeded: nameByteCount),
                valueOffset: UInt32(truncatingIfNeeded: start + value.lowerBound),
                valueByteCount: UInt32(truncatingIfNeeded: value.count)))
        octets.append(contentsOf: line)
    }

    /// Appends a field, even if the name exists.
    /// - Throws: ``FieldError`` if the name is not a token, or the value contains a control character (header injection).
    public mutating func append(_ name: String, _ value: String) throws(FieldError) {
        try FieldError.check(name: name, value: value)
        var line = name + value
        let nameByteCount = name.utf8.count
        line.withUTF8 { line in
            let line = UnsafeRawBufferPointer(line)
            append(
                checkedLine: line, nameByteCount: nameByteCount,
                value: line.trimmingBlanks(in: nameByteCount..<line.count))
        }
    }

    /// The value of the first field with that name, decoded as UTF-8.
    public subscript(name: String) -> String? {
        withOctets { octets in
            first(name, octets).map { Self.value(of: $0, octets).text }
        }
    }

    /// The values of all fields with that name, in order.
    public func values(of name: String) -> [String] {
        var values: [String] = []
        forEachValue(of: name) { value in
            values.append(value.text)
            return true
        }
        return values
    }

    /// Calls `body` with the octets of the first field with that name; nil if there is none. Does not allocate a string.
    public func withValue<Result>(of name: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        withOctets { octets in
            first(name, octets).map { body(Self.value(of: $0, octets)) }
        }
    }

    public func contains(_ name: String) -> Bool {
        withOctets { first(name, $0) != nil }
    }

    /// Number of fields with that name.
    public func count(of name: String) -> Int {
        var count = 0
        forEachValue(of: name) { _ in
            count += 1
            return true
        }
        return count
    }

    /// Whether the comma-separated list formed by the fields with that name contains this member (RFC 9110 §5.6.1), ignoring case
    /// and parameters after `;`.
    public func list(_ name: String, contains member: String) -> Bool {
        var member = member
        return member.withUTF8 { member in
            var found = false
            forEachValue(of: name) { value in
                found = value.listContains(.init(member))
                return !found
            }
            return found
        }
    }

    /// Calls `body` for each value until it returns false.
    func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer) -> Bool) {
        var name = name
        name.withUTF8 { name in
            withOctets { octets in
                for entry in entries where Self.name(of: entry, octets).equalsIgnoringCase(.init(name)) {
                    if !body(Self.value(of: entry, octets)) { return }
                }
            }
        }
    }

    func withOctets<Result, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> Result) throws(E) -> Result {
        try octets.withUnsafeBufferPointer { (octets) throws(E) in try body(UnsafeRawBufferPointer(octets)) }
    }

    static func name(of entry: Entry, _ octets: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        octets.slice(Int(entry.nameOffset), Int(entry.nameOffset) + Int(entry.nameByteCount))
    }

    static func value(of entry: Entry, _ octets: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        octets.slice(Int(entry.valueOffset), Int(entry.valueOffset) + Int(entry.valueByteCount))
    }

    private func first(_ name: String, _ octets: UnsafeRawBufferPointer) -> Entry? {
        var name = name
        return name.withUTF8 { name in
            entries.first { Self.name(of: $0, octets).equalsIgnoringCase(.init(name)) }
        }
    }
}

extension HeaderFields: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { entries.count }

    /// Name as received, and value.
    public subscript(position: Int) -> (name: String, value: String) {
        withOctets { octets in
            (Self.name(of: entries[position], octets).text, Self.value(of: entries[position], octets).text)
        }
    }
}

extension HeaderFields: CustomStringConvertible {
    public var description: String { map { "\($0.name): \($0.value)" }.joined(separator: "\n") }
}

extension UnsafeRawBufferPointer {
    /// Whether a list member equals `member`, ignoring case and parameters. Commas within quotes do not separate.
    func listContains(_ member: UnsafeRawBufferPointer) -> Bool {
        var rest = self
        while rest.count > 0 {
            let end = rest.endOfListMember
            let item = rest.slice(0, end)
            let name = item.slice(0, item.offset(of: UInt8(ascii: ";")) ?? item.count).trimmingBlanks
            if name.count > 0, name.equalsIgnoringCase(member) { return true }
            rest = rest.slice(Swift.min(end + 1, rest.count), rest.count)
        }
        return false
    }

    /// The offset of the first comma outside a quoted string, or the count.
    var endOfListMember: Int {
        var isQuoted = false
        var position = 0
        while position < count {
            switch self[position] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: position += 1
            case UInt8(ascii: ",") where !isQuoted: return position
            default: break
            }
            position += 1
        }
        return count
    }
}
