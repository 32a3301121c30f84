/// Reads an object written by this process, such as a database row. An unexpected member value is an error.
///
/// There are no defaults: a default for an unreadable value would be mistaken for the stored one. Nil is written as null or left
/// out, and read as nil.
public struct JSONRecord: Sendable {
    /// The names of the record and member that could not be read. Contains no content.
    public struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        /// For example `response`.
        public let record: String
        /// nil: the record itself is not an object.
        public let member: String?

        /// - Parameter member: nil for the record as a whole.
        public init(record: String, member: String? = nil) {
            self.record = record
            self.member = member
        }

        public var description: String {
            guard let member else { return "a stored \(record) is malformed" }
            return "a stored \(record) is malformed: its member '\(member)' is missing or has another type"
        }
    }

    private let object: JSONObject
    private let name: String

    /// - Parameter name: the record's name in errors.
    public init(_ value: JSONValue, of name: String) throws(Malformed) {
        guard case .object(let object) = value else { throw Malformed(record: name) }
        self.object = object
        self.name = name
    }

    /// A required member.
    /// - Parameter read: returns nil for an invalid value.
    public func required<Value>(_ key: String, _ read: (JSONValue) throws -> Value?) throws -> Value {
        guard let value = try optional(key, read) else { throw Malformed(record: name, member: key) }
        return value
    }

    /// An optional member; nil if, and only if, it is null or missing.
    /// - Parameter read: returns nil for an invalid value.
    public func optional<Value>(_ key: String, _ read: (JSONValue) throws -> Value?) throws -> Value? {
        guard let stored = object[key]?.unlessNull else { return nil }
        guard let value = try read(stored) else { throw Malformed(record: name, member: key) }
        return value
    }

    /// The elements of a required array.
    /// - Parameter read: returns nil for an invalid element.
    public func list<Value>(_ key: String, _ read: (JSONValue) throws -> Value?) throws -> [Value] {
        try required(key) { value in
            guard case .array(let elements) = value else { return nil }
            return try elements.map { element in
                guard let value = try read(element) else { throw Malformed(record: name, member: key) }
                return value
            }
        }
    }
}
