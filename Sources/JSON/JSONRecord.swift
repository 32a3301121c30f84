/// Reads an object that we wrote ourselves, such as a row of the database: a member that is not as it was written is an error.
///
/// Nothing is replaced: a default in the place of what cannot be read would be taken for what was kept. What was nil when it was
/// written is null or missing, and is nil again.
public struct JSONRecord: Sendable {
    /// What could not be read, by the names of the record and its member: no content.
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

    /// - Parameter name: what the record is called in errors.
    public init(_ value: JSONValue, of name: String) throws(Malformed) {
        guard case .object(let object) = value else { throw Malformed(record: name) }
        self.object = object
        self.name = name
    }

    /// A member that must be there.
    /// - Parameter read: nil for what is not as it must be.
    public func required<Value>(_ key: String, _ read: (JSONValue) throws -> Value?) throws -> Value {
        guard let value = try optional(key, read) else { throw Malformed(record: name, member: key) }
        return value
    }

    /// A member that may be null or missing: nil then, and only then.
    /// - Parameter read: nil for what is not as it must be.
    public func optional<Value>(_ key: String, _ read: (JSONValue) throws -> Value?) throws -> Value? {
        guard let stored = object[key]?.unlessNull else { return nil }
        guard let value = try read(stored) else { throw Malformed(record: name, member: key) }
        return value
    }

    /// The elements of an array that must be there.
    /// - Parameter read: nil for an element that is not as it must be.
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
