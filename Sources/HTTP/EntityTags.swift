extension HeaderFields {
    /// Whether any If-None-Match field contains the entity tag or is `*` (RFC 9110 §13.1.2), by weak comparison.
    /// - Parameter tag: with its quotes, without `W/`.
    public func noneMatch(names tag: String) -> Bool {
        var tag = tag
        return tag.withUTF8 { tag in
            var found = false
            forEachValue(of: "if-none-match") { value in
                found = Self.list(value.trimmingBlanks, names: UnsafeRawBufferPointer(tag))
                return !found
            }
            return found
        }
    }

    /// A list of entity tags: `"a", W/"b"`. A comma within quotes is part of the tag; there are no backslash escapes.
    private static func list(_ value: UnsafeRawBufferPointer, names tag: UnsafeRawBufferPointer) -> Bool {
        if value.count == 1, value[0] == UInt8(ascii: "*") { return true }
        var rest = value
        while let opening = rest.offset(of: UInt8(ascii: "\"")) {
            let behind = rest.slice(opening + 1, rest.count)
            guard let closing = behind.offset(of: UInt8(ascii: "\"")) else { return false }
            if rest.slice(opening, opening + closing + 2).elementsEqual(tag) { return true }
            rest = behind.slice(closing + 1, behind.count)
        }
        return false
    }
}
