/// A JSON Schema (draft 2020-12) that values are checked against: the subset that OpenAI's structured outputs know, and the other
/// common keywords. Made once, checked often; immutable.
///
/// Taken: `type` `enum` `const` · `properties` `required` `additionalProperties` `patternProperties` `propertyNames`
/// `minProperties` `maxProperties` `dependentRequired` · `items` `prefixItems` `contains` `minItems` `maxItems` `uniqueItems` ·
/// `minLength` `maxLength` `pattern` · `minimum` `maximum` `exclusiveMinimum` `exclusiveMaximum` `multipleOf` · `allOf` `anyOf`
/// `oneOf` `not` `if` `then` `else` · `$ref` within the document, `$defs`. `format` and all unknown keywords are annotations.
public struct JSONSchema: Sendable {
    let nodes: [Node]
    let root: Int

    /// What costs too much is refused.
    enum Limits {
        static let maxNodes = 5000
        static let maxDepth = 64
        /// Schemas within each other while a value is checked.
        static let maxCheckDepth = 160
        /// What making a schema may cost, in ``JSONValue/weight`` and instructions of patterns: some milliseconds.
        static let maxCost = 100_000
    }

    /// Steps of a check that a thread can make whatever else waits for it: some milliseconds.
    public static let quickSteps = 20_000
    /// Steps after which a check is given up, and the value counts as invalid: less than a second of a thread that has nothing else to do.
    public static let maxSteps = 3_000_000

    /// - Throws: what is wrong with the schema, or not supported, and where.
    public init(_ schema: JSONValue) throws(JSONSchemaError) {
        var compiler = Compiler(document: schema)
        root = try compiler.compile(schema, at: "", depth: 0)
        nodes = compiler.nodes
    }

    /// Why the value does not meet the schema: the first reason that is found; nil if it does. What takes more than ``maxSteps`` does
    /// not: nothing is valid that was not checked whole.
    public func firstViolation(in value: JSONValue) -> Violation? {
        var check = JSONSchemaCheck(nodes: nodes, steps: Self.maxSteps)
        let found = check.violation(of: value, by: root, depth: 0)
        // Whatever `not` or `anyOf` made of a part that was not looked at.
        return check.gaveUp ?? found
    }

    /// As ``firstViolation(in:)``, if that can be told within so many steps.
    public func firstViolation(in value: JSONValue, steps: Int) throws(OutOfSteps) -> Violation? {
        var check = JSONSchemaCheck(nodes: nodes, steps: steps)
        let found = check.violation(of: value, by: root, depth: 0)
        if check.isOutOfSteps { throw OutOfSteps() }
        return check.gaveUp ?? found
    }

    /// A check needs more steps than it was given.
    public struct OutOfSteps: Error {}

    /// What is wrong with a value, and where.
    public struct Violation: Error, Sendable, Hashable {
        /// JSON Pointer (RFC 6901) to the value: empty for the whole.
        public let path: String
        public let message: String

        public init(path: String, message: String) {
            self.path = path
            self.message = message
        }
    }

    /// The types that a value may have.
    struct Kinds: OptionSet {
        let rawValue: UInt8
        static let null = Kinds(rawValue: 1)
        static let bool = Kinds(rawValue: 2)
        static let integer = Kinds(rawValue: 4)
        static let number = Kinds(rawValue: 8)
        static let string = Kinds(rawValue: 16)
        static let array = Kinds(rawValue: 32)
        static let object = Kinds(rawValue: 64)

        static let names: [(name: String, kind: Kinds)] = [
            ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .number), ("string", .string), ("array", .array),
            ("object", .object),
        ]

        var text: String { Self.names.filter { contains($0.kind) }.map(\.name).joined(separator: " or ") }
    }

    /// One schema of the document; others by their places in ``nodes``.
    struct Node: Sendable {
        /// The schema `false`.
        var refusesAll = false
        var kinds: Kinds?
        /// `enum`, `const`.
        var values: Set<JSONValue>?
        var reference: Int?
        var object: ObjectRules?
        var array: ArrayRules?
        var string: StringRules?
        var number: NumberRules?
        var allOf: [Int] = []
        var anyOf: [Int] = []
        var oneOf: [Int] = []
        var not: Int?
        var condition: (if: Int, then: Int?, else: Int?)?
    }

    struct ObjectRules: Sendable {
        var properties: [(name: String, schema: Int)] = []
        var places: [ExactKey: Int] = [:]
        var patterns: [(pattern: JSONPattern, schema: Int)] = []
        var additional: Int?
        var names: Int?
        var required: [String] = []
        var dependentRequired: [(name: String, needed: [String])] = []
        var count = 0...Int.max
    }

    struct ArrayRules: Sendable {
        var prefix: [Int] = []
        var items: Int?
        var contains: Int?
        var containsCount = 1...Int.max
        var count = 0...Int.max
        var isUnique = false
    }

    struct StringRules: Sendable {
        /// In Unicode scalars.
        var length = 0...Int.max
        var pattern: JSONPattern?
    }

    struct NumberRules: Sendable {
        var minimum: JSONNumber?
        var maximum: JSONNumber?
        var exclusiveMinimum: JSONNumber?
        var exclusiveMaximum: JSONNumber?
        var multipleOf: Double?
    }
}

/// A schema that is wrong, or that we cannot check.
public struct JSONSchemaError: Error, Sendable, Hashable, CustomStringConvertible {
    /// JSON Pointer into the schema.
    public let path: String
    public let message: String

    public var description: String { "\(message) (at '#\(path)')" }
}
