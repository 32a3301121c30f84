/// Any JSON value. Numbers retain their text and objects their key order, so values pass through unchanged.
///
/// Strings are compared by UTF-8, objects regardless of key order, numbers by their text.
@frozen public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// `true` or `false`.
    public init(_ value: Bool) { self = .bool(value) }
    /// A number in decimal.
    public init(_ value: some BinaryInteger) { self = .number(JSONNumber(value)) }
    /// NaN and infinities become null.
    public init(_ value: Double) { self = JSONNumber(value).map { .number($0) } ?? .null }
    /// A string.
    public init(_ value: String) { self = .string(value) }
}

extension JSONValue {
    /// The value of an object's key; nil if there is none, or this is not an object. Setting nil removes the key; setting has no
    /// effect unless this is an object.
    public subscript(key: String) -> JSONValue? {
        get { object?[key] }
        set {
            guard case .object(var object) = self else { return }
            self = .null  // Drops the second reference, so the object is mutated in place.
            object[key] = newValue
            self = .object(object)
        }
    }

    /// An array's element; nil if out of range, or this is not an array.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let array) = self, array.indices.contains(index) else { return nil }
        return array[index]
    }

    /// Whether this is null.
    public var isNull: Bool { if case .null = self { true } else { false } }
    /// The value, or nil if this is null; for members that may be missing or null.
    public var unlessNull: JSONValue? { if case .null = self { return nil } else { return self } }
    /// The boolean, or nil if this is not one.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The string, or nil if this is not one.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The number, or nil if this is not one.
    public var number: JSONNumber? { if case .number(let value) = self { value } else { nil } }
    /// The array, or nil if this is not one.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The object, or nil if this is not one.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    /// The number as an integer, or nil if it is not one; see ``JSONNumber/int``.
    public var int: Int? { number?.int }
    /// The number as a double, or nil if this is not a number; see ``JSONNumber/double``.
    public var double: Double? { number?.double }
}

extension JSONValue: Hashable {
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.string(let left), .string(let right)): ExactKey.isSame(left, right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .number(let value): hasher.combine(value)
        case .string(let value): hasher.combine(ExactKey(string: value))
        case .array(let value): hasher.combine(value)
        case .object(let value): hasher.combine(value)
        }
    }
}

// Not ExpressibleByNilLiteral: where a `JSONValue?` is expected, `nil` would then mean JSON's null instead of no value.
extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(booleanLiteral value: Bool) { self.init(value) }
    public init(integerLiteral value: Int) { self.init(value) }
    public init(floatLiteral value: Double) { self.init(value) }
    public init(stringLiteral value: String) { self.init(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}
