public import JSON

/// A compiled JSON Schema (draft 2020-12): the subset of OpenAI's structured outputs, and the other common keywords. Immutable;
/// compile once, validate often.
///
/// Supported: `type` `enum` `const` · `properties` `required` `additionalProperties` `patternProperties` `propertyNames`
/// `minProperties` `maxProperties` `dependentRequired` · `items` `prefixItems` `contains` `minItems` `maxItems` `uniqueItems` ·
/// `minLength` `maxLength` `pattern` · `minimum` `maximum` `exclusiveMinimum` `exclusiveMaximum` `multipleOf` · `allOf` `anyOf`
/// `oneOf` `not` `if` `then` `else` · `$ref` within the document, `$defs`. `format` and all unknown keywords are annotations.
public struct JSONSchema: Sendable {
    let nodes: [Node]
    let root: Int

    /// Beyond these a schema is refused.
    enum Limits {
        static let maxNodes = 5000
        static let maxDepth = 64
        /// Nesting of schemas during validation.
        static let maxCheckDepth = 160
        /// Cost of compiling a schema, in ``JSONValue/weight`` and pattern instructions: a few milliseconds.
        static let maxCost = 100_000
    }

    /// Steps of a check that may run on an event loop: a few milliseconds.
    public static let quickSteps = 20_000
    /// Steps after which a check stops and the value counts as invalid: less than a second of a dedicated thread.
    public static let maxSteps = 3_000_000

    /// - Throws: ``JSONSchemaError`` for an invalid or unsupported part.
    public init(_ schema: JSONValue) throws(JSONSchemaError) {
        var compiler = Compiler(document: schema)
        root = try compiler.compile(schema, at: "", depth: 0)
        nodes = compiler.nodes
    }

    /// The first violation of the schema; nil if the value is valid. A check that exceeds ``maxSteps`` is a violation.
    public func firstViolation(in value: JSONValue) -> Violation? {
        var check = JSONSchemaCheck(nodes: nodes, steps: Self.maxSteps)
        let found = check.violation(of: value, by: root, depth: 0)
        // Takes precedence over what `not` or `anyOf` concluded from an unchecked part.
        return check.gaveUp ?? found
    }

    /// ``firstViolation(in:)`` with a limit on steps.
    public func firstViolation(in value: JSONValue, steps: Int) throws(OutOfSteps) -> Violation? {
        var check = JSONSchemaCheck(nodes: nodes, steps: steps)
        let found = check.violation(of: value, by: root, depth: 0)
        if check.isOutOfSteps { throw OutOfSteps() }
        return check.gaveUp ?? found
    }

    /// The check needs more steps than allowed.
    public struct OutOfSteps: Error {}

    /// A violation and its location.
    public struct Violation: Error, Sendable, Hashable {
        /// JSON Pointer (RFC 6901) to the value; empty for the root.
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

    /// One schema of the document; refers to others by index into ``nodes``.
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

/// An invalid or unsupported schema.
public struct JSONSchemaError: Error, Sendable, Hashable, CustomStringConvertible {
    /// JSON Pointer into the schema.
    public let path: String
    public let message: String

    public var description: String { "\(message) (at '#\(path)')" }
}
