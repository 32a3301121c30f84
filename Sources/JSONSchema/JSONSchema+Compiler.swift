import Bytes
import JSON

extension JSONSchema {
    /// Compiles a document to nodes. Each schema is compiled once, however often it is referenced, so recursion terminates.
    struct Compiler {
        let document: JSONValue
        var nodes: [Node] = []
        private var places: [String: Int] = [:]
        private var cost = 0

        /// Validation keywords that are not supported. Ignoring them would give wrong verdicts.
        private static let unsupported = [
            "$dynamicRef", "$dynamicAnchor", "$anchor", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
        ]

        init(document: JSONValue) { self.document = document }

        mutating func compile(_ schema: JSONValue, at path: String, depth: Int) throws(JSONSchemaError) -> Int {
            if let known = places[path] { return known }
            guard depth < Limits.maxDepth else { throw error("The schema is nested deeper than \(Limits.maxDepth) levels.", path) }
            guard nodes.count < Limits.maxNodes else { throw error("The schema has more than \(Limits.maxNodes) parts.", path) }
            // Each keyword is looked up, and the path is stored.
            try spend(8 + path.utf8.count / 64, path)
            let place = nodes.count
            places[path] = place
            nodes.append(Node())
            var node = Node()
            switch schema {
            case .bool(let accepts): node.refusesAll = !accepts
            case .object(let object): try compile(object, into: &node, path, depth + 1)
            default: throw error("A schema must be an object, or true or false.", path)
            }
            nodes[place] = node
            return place
        }

        /// The groups of keywords that a schema has, so that only these are looked up: documents consist of many small schemas.
        private struct Groups: OptionSet {
            let rawValue: UInt8
            static let values = Groups(rawValue: 1)
            static let parts = Groups(rawValue: 2)
            static let object = Groups(rawValue: 4)
            static let array = Groups(rawValue: 8)
            static let string = Groups(rawValue: 16)
            static let number = Groups(rawValue: 32)
            static let definitions = Groups(rawValue: 64)
            static let unsupported = Groups(rawValue: 128)

            static let byKeyword: [String: Groups] = {
                let lists: [(Groups, [String])] = [
                    (.values, ["enum", "const"]), (.parts, ["$ref", "allOf", "anyOf", "oneOf", "not", "if"]),
                    (
                        .object,
                        [
                            "properties", "patternProperties", "additionalProperties", "propertyNames", "required",
                            "dependentRequired", "minProperties", "maxProperties",
                        ]
                    ),
                    (.array, ["items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"]),
                    (.string, ["minLength", "maxLength", "pattern"]),
                    (.number, ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
                    (.definitions, ["$defs", "definitions"]), (.unsupported, Compiler.unsupported),
                ]
                return Dictionary(lists.flatMap { group, words in words.map { ($0, group) } }) { first, _ in first }
            }()

            init(rawValue: UInt8) { self.rawValue = rawValue }

            init(_ object: JSONObject) {
                self = []
                for (name, _) in object { if let group = Self.byKeyword[name] { insert(group) } }
            }
        }

        private mutating func compile(
            _ object: JSONObject, into node: inout Node, _ path: String, _ depth: Int
        ) throws(JSONSchemaError) {
            try spend(object.count, path)
            let groups = Groups(object)
            if groups.contains(.unsupported) {
                for keyword in Self.unsupported where object[keyword] != nil {
                    throw error("'\(keyword)' is not supported.", "\(path)/\(keyword)")
                }
            }
            if let type = object["type"] { node.kinds = try kinds(type, "\(path)/type") }
            if groups.contains(.values) { node.values = try values(object, path) }
            if groups.contains(.parts) { try compileParts(object, into: &node, path, depth) }
            if groups.contains(.object) { node.object = try objectRules(object, path, depth) }
            if groups.contains(.array) { node.array = try arrayRules(object, path, depth) }
            if groups.contains(.string) { node.string = try stringRules(object, path) }
            if groups.contains(.number) { node.number = try numberRules(object, path) }
            if groups.contains(.definitions) { try compileDefinitions(object, path, depth) }
        }

        /// `enum` and `const`.
        private mutating func values(_ object: JSONObject, _ path: String) throws(JSONSchemaError) -> Set<JSONValue>? {
            var values: Set<JSONValue>?
            if let list = object["enum"] {
                guard let items = list.array, !items.isEmpty else {
                    throw error("'enum' must be an array of at least one value.", "\(path)/enum")
                }
                try spend(list.weight, "\(path)/enum")
                values = Set(items.map(\.withPlainNumbers))
            }
            if let value = object["const"] {
                try spend(value.weight, "\(path)/const")
                let value = value.withPlainNumbers
                values = values.map { $0.contains(value) ? [value] : [] } ?? [value]
            }
            return values
        }

        private mutating func compileParts(
            _ object: JSONObject, into node: inout Node, _ path: String, _ depth: Int
        ) throws(JSONSchemaError) {
            if let reference = object["$ref"] { node.reference = try follow(reference, "\(path)/$ref", depth) }
            node.allOf = try list("allOf", object, path, depth)
            node.anyOf = try list("anyOf", object, path, depth)
            node.oneOf = try list("oneOf", object, path, depth)
            node.not = try part("not", object, path, depth)
            if let condition = try part("if", object, path, depth) {
                node.condition = (condition, try part("then", object, path, depth), try part("else", object, path, depth))
            }
        }

        /// Unreferenced definitions must be valid, too.
        private mutating func compileDefinitions(_ object: JSONObject, _ path: String, _ depth: Int) throws(JSONSchemaError) {
            for keyword in ["$defs", "definitions"] {
                guard let definitions = object[keyword] else { continue }
                guard let definitions = definitions.object else {
                    throw error("'\(keyword)' must be an object.", "\(path)/\(keyword)")
                }
                for (name, schema) in definitions {
                    _ = try compile(schema, at: "\(path)/\(keyword)/\(Self.escaped(name))", depth: depth)
                }
            }
        }

        /// Counts the cost of the schema before incurring it.
        private mutating func spend(_ amount: Int, _ path: String) throws(JSONSchemaError) {
            cost = cost.saturatingAdding(amount)
            guard cost <= Limits.maxCost else {
                throw error(
                    "The schema is too large to be checked: its parts, values and patterns cost more than \(Limits.maxCost).", path)
            }
        }

        private func kinds(_ type: JSONValue, _ path: String) throws(JSONSchemaError) -> Kinds {
            let names = type.string.map { [$0] } ?? type.array?.map { $0.string ?? "" } ?? []
            var kinds: Kinds = []
            for name in names {
                guard let kind = Kinds.names.first(where: { $0.name == name })?.kind else {
                    throw error("'type' must name types of JSON.", path)
                }
                kinds.insert(kind)
            }
            if kinds.isEmpty { throw error("'type' must be a type of JSON, or an array of types.", path) }
            return kinds
        }

        private mutating func follow(_ reference: JSONValue, _ path: String, _ depth: Int) throws(JSONSchemaError) -> Int {
            guard let text = reference.string, text.hasPrefix("#"), text == "#" || text.hasPrefix("#/") else {
                throw error("'$ref' must lead into this schema: '#', or '#/' and a path.", path)
            }
            var target = document
            var place = ""
            try spend(text.utf8.count / 16, path)
            for step in text.dropFirst().split(separator: "/", omittingEmptySubsequences: true) {
                try spend(1, path)
                let name = Self.unescaped(Self.percentDecoded(step))
                guard let next = target[name] ?? Int(name).flatMap({ target[$0] }) else {
                    throw error("'$ref' leads to '\(text)', which is not there.", path)
                }
                target = next
                place += "/\(Self.escaped(name))"
            }
            return try compile(target, at: place, depth: depth)
        }

        private mutating func part(
            _ keyword: String, _ object: JSONObject, _ path: String, _ depth: Int
        ) throws(JSONSchemaError) -> Int? {
            guard let schema = object[keyword] else { return nil }
            return try compile(schema, at: "\(path)/\(keyword)", depth: depth)
        }

        private mutating func list(
            _ keyword: String, _ object: JSONObject, _ path: String, _ depth: Int, mayBeEmpty: Bool = false
        ) throws(JSONSchemaError) -> [Int] {
            guard let value = object[keyword] else { return [] }
            guard let schemas = value.array, mayBeEmpty || !schemas.isEmpty else {
                throw error("'\(keyword)' must be an array of at least one schema.", "\(path)/\(keyword)")
            }
            var parts: [Int] = []
            for (index, schema) in schemas.enumerated() {
                parts.append(try compile(schema, at: "\(path)/\(keyword)/\(index)", depth: depth))
            }
            return parts
        }

        // MARK: Rules of one type

        private mutating func objectRules(
            _ object: JSONObject, _ path: String, _ depth: Int
        ) throws(JSONSchemaError) -> ObjectRules {
            var rules = ObjectRules()
            for (name, schema) in try members("properties", object, path) {
                rules.places[ExactKey(string: name)] = rules.properties.count
                rules.properties.append(
                    (name, try compile(schema, at: "\(path)/properties/\(Self.escaped(name))", depth: depth)))
            }
            for (text, schema) in try members("patternProperties", object, path) {
                let place = "\(path)/patternProperties/\(Self.escaped(text))"
                rules.patterns.append((try pattern(text, place), try compile(schema, at: place, depth: depth)))
            }
            rules.additional = try part("additionalProperties", object, path, depth)
            rules.names = try part("propertyNames", object, path, depth)
            if let required = object["required"] { rules.required = try strings(required, "\(path)/required") }
            for (name, needed) in try members("dependentRequired", object, path) {
                rules.dependentRequired.append((name, try strings(needed, "\(path)/dependentRequired")))
            }
            rules.count = try range("minProperties", "maxProperties", object, path)
            return rules
        }

        private mutating func arrayRules(
            _ object: JSONObject, _ path: String, _ depth: Int
        ) throws(JSONSchemaError) -> ArrayRules {
            var rules = ArrayRules()
            rules.prefix = try list("prefixItems", object, path, depth)
            rules.items = try part("items", object, path, depth)
            rules.contains = try part("contains", object, path, depth)
            rules.containsCount = try range("minContains", "maxContains", object, path, least: 1)
            rules.count = try range("minItems", "maxItems", object, path)
            rules.isUnique = object["uniqueItems"]?.bool ?? false
            return rules
        }

        private mutating func stringRules(_ object: JSONObject, _ path: String) throws(JSONSchemaError) -> StringRules {
            var rules = StringRules()
            rules.length = try range("minLength", "maxLength", object, path)
            if let value = object["pattern"] {
                guard let text = value.string else { throw error("'pattern' must be a string.", "\(path)/pattern") }
                rules.pattern = try pattern(text, "\(path)/pattern")
            }
            return rules
        }

        private func numberRules(_ object: JSONObject, _ path: String) throws(JSONSchemaError) -> NumberRules {
            func number(_ keyword: String) throws(JSONSchemaError) -> JSONNumber? {
                guard let value = object[keyword] else { return nil }
                guard let number = value.number else { throw error("'\(keyword)' must be a number.", "\(path)/\(keyword)") }
                return number
            }
            var rules = NumberRules()
            rules.minimum = try number("minimum")
            rules.maximum = try number("maximum")
            rules.exclusiveMinimum = try number("exclusiveMinimum")
            rules.exclusiveMaximum = try number("exclusiveMaximum")
            rules.multipleOf = try number("multipleOf")?.double
            if let step = rules.multipleOf, step <= 0 { throw error("'multipleOf' must be above 0.", "\(path)/multipleOf") }
            return rules
        }

        // MARK: Parts

        private func members(_ keyword: String, _ object: JSONObject, _ path: String) throws(JSONSchemaError) -> JSONObject {
            guard let value = object[keyword] else { return [:] }
            guard let members = value.object else { throw error("'\(keyword)' must be an object.", "\(path)/\(keyword)") }
            return members
        }

        private mutating func strings(_ value: JSONValue, _ path: String) throws(JSONSchemaError) -> [String] {
            try spend(value.weight, path)
            let strings = value.array?.compactMap(\.string)
            guard let strings, strings.count == value.array?.count else { throw error("An array of strings is needed.", path) }
            return strings
        }

        private mutating func pattern(_ text: String, _ path: String) throws(JSONSchemaError) -> JSONPattern {
            let pattern: JSONPattern
            do {
                pattern = try JSONPattern(text)
            } catch {
                let shown = text.utf8.count <= 256 ? "The pattern '\(text)'" : "The pattern"
                throw self.error("\(shown) cannot be used: \(error.message)", path)
            }
            try spend(text.utf8.count / 4 + pattern.cost, path)
            return pattern
        }

        private func range(
            _ low: String, _ high: String, _ object: JSONObject, _ path: String, least: Int = 0
        ) throws(JSONSchemaError) -> ClosedRange<Int> {
            var bounds = [least, Int.max]
            for (index, keyword) in [low, high].enumerated() {
                guard let value = object[keyword] else { continue }
                guard let count = value.int, count >= 0 else {
                    throw error("'\(keyword)' must be a whole number of 0 or more.", "\(path)/\(keyword)")
                }
                bounds[index] = count
            }
            guard bounds[0] <= bounds[1] else { throw error("'\(low)' is above '\(high)'.", "\(path)/\(low)") }
            return bounds[0]...bounds[1]
        }

        private func error(_ message: String, _ path: String) -> JSONSchemaError { JSONSchemaError(path: path, message: message) }

        /// A name as a JSON Pointer token.
        static func escaped(_ name: String) -> String {
            guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return name }
            return name.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
        }

        /// RFC 6901 §6: a pointer in a fragment is percent-encoded. Malformed escapes and invalid UTF-8 are left unchanged.
        private static func percentDecoded(_ step: Substring) -> String {
            guard step.utf8.contains(UInt8(ascii: "%")) else { return String(step) }
            var bytes: [UInt8] = []
            var rest = step.utf8[...]
            while let byte = rest.popFirst() {
                let digits = rest.prefix(2)
                if byte == UInt8(ascii: "%"), digits.count == 2, let digits = String(digits), digits.first != "+",
                    let value = UInt8(digits, radix: 16)
                {
                    bytes.append(value)
                    rest = rest.dropFirst(2)
                } else {
                    bytes.append(byte)
                }
            }
            return String(validating: bytes, as: UTF8.self) ?? String(step)
        }

        private static func unescaped(_ step: String) -> String {
            guard step.utf8.contains(UInt8(ascii: "~")) else { return step }
            var name = ""
            var rest = Substring(step)
            while let character = rest.popFirst() {
                if character == "~", let next = rest.first, next == "0" || next == "1" {
                    rest.removeFirst()
                    name.append(next == "0" ? "~" : "/")
                } else {
                    name.append(character)
                }
            }
            return name
        }
    }
}

extension JSONValue {
    /// With normalised numbers, so that 1, 1.0 and 1e0 are equal.
    var withPlainNumbers: JSONValue {
        switch self {
        case .number(let number): number.int.map { JSONValue($0) } ?? JSONValue(number.double)
        case .array(let values): .array(values.map(\.withPlainNumbers))
        case .object(let object): .object(JSONObject(object.map { ($0.key, $0.value.withPlainNumbers) }))
        case .null, .bool, .string: self
        }
    }
}
