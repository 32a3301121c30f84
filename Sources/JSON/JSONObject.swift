import Glibc

/// A JSON object that keeps the order of its keys.
///
/// Keys are compared by their UTF-8: unlike with `String ==`, a composed and a decomposed "é" are different keys. Equality of
/// objects ignores the order (RFC 8259 §4).
public struct JSONObject: Sendable {
    /// One key and its value.
    public typealias Element = (key: String, value: JSONValue)

    /// Up to this many keys, linear search is faster than hashing.
    static let linearSearchCount = 12

    private var members: [Element] = []
    /// Index of each key; empty while linear search is used.
    private var places: [ExactKey: Int] = [:]

    /// An object without keys.
    public init() {}

    /// Of duplicate keys, the last value wins, at the first one's position.
    public init(_ members: some Sequence<(String, JSONValue)>) {
        for (key, value) in members { self[key] = value }
    }

    /// Number of keys.
    public var count: Int { members.count }
    /// Whether the object has no keys.
    public var isEmpty: Bool { members.isEmpty }
    /// The keys in order: a copy, O(n).
    public var keys: [String] { members.map(\.key) }

    /// The key's value. Setting a new key appends it; setting nil removes the key. O(1) expected, removal O(n).
    public subscript(key: String) -> JSONValue? {
        get { place(of: key).map { members[$0].value } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?): members[place].value = value
            case (let place?, nil):
                members.remove(at: place)
                index()
            case (nil, let value?):
                members.append((key, value))
                if members.count > Self.linearSearchCount + 1 {
                    places[ExactKey(string: key)] = members.count - 1
                } else if members.count > Self.linearSearchCount {
                    index()
                }
            case (nil, nil): break
            }
        }
    }

    private func place(of key: String) -> Int? {
        if members.count > Self.linearSearchCount { return places[ExactKey(string: key)] }
        return members.firstIndex { ExactKey.isSame($0.key, key) }
    }

    private mutating func index() {
        places.removeAll()
        guard members.count > Self.linearSearchCount else { return }
        places.reserveCapacity(members.count)
        for (place, member) in members.enumerated() { places[ExactKey(string: member.key)] = place }
    }
}

extension JSONObject: Sequence {
    /// Iterates keys and values in order.
    public func makeIterator() -> IndexingIterator<[Element]> { members.makeIterator() }
    /// The exact count.
    public var underestimatedCount: Int { members.count }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// See ``init(_:)``.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}

extension JSONObject: Hashable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
    }

    public func hash(into hasher: inout Hasher) {
        // Order must not matter, hence a sum of independent hashes.
        var sum = 0
        for member in members {
            var part = Hasher()
            part.combine(ExactKey(string: member.key))
            part.combine(member.value)
            sum &+= part.finalize()
        }
        hasher.combine(members.count)
        hasher.combine(sum)
    }
}

extension JSONObject: CustomStringConvertible {
    /// Compact JSON.
    public var description: String { JSONValue.object(self).description }
}

/// A string compared and hashed by its UTF-8.
///
/// `String` hashes by canonical equivalence: an attacker could produce equal hashes with permuted combining marks.
package struct ExactKey: Hashable {
    let string: String

    package init(string: String) { self.string = string }

    @inline(__always)
    static func isSame(_ left: String, _ right: String) -> Bool {
        // `==` tells most of those apart that differ, by one comparison of words.
        left.utf8.count == right.utf8.count && left == right && hasSameBytes(left, right)
    }

    /// Whether strings that are equal by Unicode, and as long as each other, are the same bytes.
    @inline(never)
    private static func hasSameBytes(_ left: String, _ right: String) -> Bool {
        let isSame = left.utf8.withContiguousStorageIfAvailable { left in
            right.utf8.withContiguousStorageIfAvailable { right in
                guard let first = left.baseAddress, let other = right.baseAddress else { return true }
                return memcmp(first, other, left.count) == 0
            }
        }
        return isSame.flatMap { $0 } ?? left.utf8.elementsEqual(right.utf8)
    }

    package static func == (left: ExactKey, right: ExactKey) -> Bool { isSame(left.string, right.string) }

    package func hash(into hasher: inout Hasher) {
        var copy = string
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
