/// Any JSON value; numbers keep their text and objects the order of their keys, so that it passes through unchanged.
///
/// Strings are equal when their UTF-8 is, objects whatever the order of their keys, numbers when their texts are.
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
    /// NaN and infinities, which JSON does not have, become null.
    public init(_ value: Double) { self = JSONNumber(value).map { .number($0) } ?? .null }
    /// A string.
    public init(_ value: String) { self = .string(value) }
}

extension JSONValue {
    /// The value of an object's key; nil when there is none or this is no object. Setting nil removes the key; setting
    /// on anything but an object does nothing.
    public subscript(key: String) -> JSONValue? {
        get { object?[key] }
        set {
            guard case .object(var object) = self else { return }
            self = .null  // Gives up the second reference, so that the object changes in place.
            object[key] = newValue
            self = .object(object)
        }
    }

    /// An array's element; nil when out of range or this is no array.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let array) = self, array.indices.contains(index) else { return nil }
        return array[index]
    }

    /// Whether this is null.
    public var isNull: Bool { if case .null = self { true } else { false } }
    /// The value, or nil when this is null: for members that may be left out or be null.
    public var unlessNull: JSONValue? { if case .null = self { return nil } else { return self } }
    /// The truth value, or nil when this is none.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The string, or nil when this is none.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The number, or nil when this is none.
    public var number: JSONNumber? { if case .number(let value) = self { value } else { nil } }
    /// The array, or nil when this is none.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The object, or nil when this is none.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    /// The number as an integer, or nil when it is none; see ``JSONNumber/int``.
    public var int: Int? { number?.int }
    /// The number as a double, or nil when this is none; see ``JSONNumber/double``.
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

// Not by a nil literal: in the place of a `JSONValue?`, `nil` would then be a value that is there and is null, where nothing is meant.
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
