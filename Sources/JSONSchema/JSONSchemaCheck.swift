import JSON

/// One validation run, bounded in depth and steps.
struct JSONSchemaCheck {
    typealias Violation = JSONSchema.Violation

    let nodes: [JSONSchema.Node]
    private var path: [Step] = []
    private var stepsLeft: Int
    /// Nesting of subschemas whose violations are not reported: `not`, `contains`, `oneOf` and the like.
    private var quietCount = 0
    /// Set if the check could not be completed.
    private(set) var gaveUp: Violation?
    var isOutOfSteps: Bool { stepsLeft <= 0 }

    private enum Step {
        case name(String)
        case index(Int)
    }

    init(nodes: [JSONSchema.Node], steps: Int) {
        self.nodes = nodes
        stepsLeft = steps
    }

    /// Whether a value satisfies a schema, without composing a message.
    private mutating func meets(_ value: JSONValue, _ place: Int, depth: Int) -> Bool {
        quietCount += 1
        defer { quietCount -= 1 }
        return violation(of: value, by: place, depth: depth) == nil
    }

    mutating func violation(of value: JSONValue, by place: Int, depth: Int) -> Violation? {
        let length = path.count
        // A violated alternative leaves no trace: another may match.
        defer { path.removeLast(path.count - length) }
        stepsLeft -= 1
        guard depth < JSONSchema.Limits.maxCheckDepth else { return giveUp("is nested too deep to be checked") }
        guard stepsLeft > 0 else { return outOfSteps }
        let node = nodes[place]
        if node.refusesAll { return fault("is not allowed here") }
        if let kinds = node.kinds, !Self.matches(value, kinds) { return fault("must be of type \(kinds.text)") }
        if let values = node.values {
            stepsLeft -= value.weight
            guard stepsLeft > 0 else { return outOfSteps }
            if !values.contains(value.withPlainNumbers) { return fault("must be one of the values of 'enum' or 'const'") }
        }
        if let found = violationOfType(value, node, depth) { return found }
        return violationOfParts(value, node, depth)
    }

    private mutating func violationOfType(_ value: JSONValue, _ node: JSONSchema.Node, _ depth: Int) -> Violation? {
        switch value {
        case .object(let object): node.object.flatMap { violation(of: object, by: $0, depth) }
        case .array(let array): node.array.flatMap { violation(of: array, by: $0, depth) }
        case .string(let text): node.string.flatMap { violation(of: text, by: $0) }
        case .number(let number): node.number.flatMap { violation(of: number, by: $0) }
        case .null, .bool: nil
        }
    }

    private mutating func violationOfParts(_ value: JSONValue, _ node: JSONSchema.Node, _ depth: Int) -> Violation? {
        if let reference = node.reference, let found = violation(of: value, by: reference, depth: depth + 1) { return found }
        for part in node.allOf {
            if let found = violation(of: value, by: part, depth: depth + 1) { return found }
        }
        if !node.anyOf.isEmpty {
            if node.anyOf.count == 1 {
                return violation(of: value, by: node.anyOf[0], depth: depth + 1) ?? violationOfChoice(value, node, depth)
            }
            var isMet = false
            for part in node.anyOf where !isMet { isMet = meets(value, part, depth: depth + 1) }
            if !isMet { return fault("meets none of the schemas of 'anyOf'") }
        }
        return violationOfChoice(value, node, depth)
    }

    /// `oneOf`, `not`, `if`.
    private mutating func violationOfChoice(_ value: JSONValue, _ node: JSONSchema.Node, _ depth: Int) -> Violation? {
        if !node.oneOf.isEmpty {
            var count = 0
            for part in node.oneOf where meets(value, part, depth: depth + 1) { count += 1 }
            if count != 1 { return fault("must meet exactly one of the schemas of 'oneOf', and meets \(count)") }
        }
        if let not = node.not, meets(value, not, depth: depth + 1) { return fault("meets the schema of 'not'") }
        if let condition = node.condition {
            let isMet = meets(value, condition.if, depth: depth + 1)
            if let part = isMet ? condition.then : condition.else { return violation(of: value, by: part, depth: depth + 1) }
        }
        return nil
    }

    private static func matches(_ value: JSONValue, _ kinds: JSONSchema.Kinds) -> Bool {
        switch value {
        case .null: kinds.contains(.null)
        case .bool: kinds.contains(.bool)
        case .string: kinds.contains(.string)
        case .array: kinds.contains(.array)
        case .object: kinds.contains(.object)
        case .number(let number): kinds.contains(.number) || kinds.contains(.integer) && number.double.rounded() == number.double
        }
    }

    // MARK: Types

    private mutating func violation(of object: JSONObject, by rules: JSONSchema.ObjectRules, _ depth: Int) -> Violation? {
        stepsLeft -= rules.required.count + rules.dependentRequired.count
        guard stepsLeft > 0 else { return outOfSteps }
        for name in rules.required where object[name] == nil { return fault("lacks the property '\(name)'") }
        guard rules.count.contains(object.count) else {
            return fault("has \(object.count) properties, and must have \(Self.text(rules.count))")
        }
        for (name, needed) in rules.dependentRequired where object[name] != nil {
            stepsLeft -= needed.count
            for other in needed where object[other] == nil { return fault("lacks the property '\(other)', which '\(name)' needs") }
        }
        for (name, value) in object {
            path.append(.name(name))
            if let found = violation(of: value, named: name, by: rules, depth) { return found }
            path.removeLast()
        }
        return nil
    }

    private mutating func violation(
        of value: JSONValue, named name: String, by rules: JSONSchema.ObjectRules, _ depth: Int
    ) -> Violation? {
        stepsLeft -= 1 + name.utf8.count / 64
        if let names = rules.names, !meets(.string(name), names, depth: depth + 1) {
            return fault("has a name that 'propertyNames' does not allow")
        }
        var isKnown = false
        if let place = rules.places[ExactKey(string: name)] {
            isKnown = true
            if let found = violation(of: value, by: rules.properties[place].schema, depth: depth + 1) { return found }
        }
        for (pattern, schema) in rules.patterns {
            guard let matches = pattern.matches(name, stepsLeft: &stepsLeft) else { return outOfSteps }
            guard matches else { continue }
            isKnown = true
            if let found = violation(of: value, by: schema, depth: depth + 1) { return found }
        }
        guard !isKnown, let additional = rules.additional else { return nil }
        if nodes[additional].refusesAll { return fault("is no property of the schema, and additional ones are not allowed") }
        return violation(of: value, by: additional, depth: depth + 1)
    }

    private mutating func violation(of array: [JSONValue], by rules: JSONSchema.ArrayRules, _ depth: Int) -> Violation? {
        guard rules.count.contains(array.count) else {
            return fault("has \(array.count) items, and must have \(Self.text(rules.count))")
        }
        for (index, value) in array.enumerated() {
            guard let schema = index < rules.prefix.count ? rules.prefix[index] : rules.items else { break }
            path.append(.index(index))
            if let found = violation(of: value, by: schema, depth: depth + 1) { return found }
            path.removeLast()
        }
        if let contains = rules.contains {
            var count = 0
            for value in array where meets(value, contains, depth: depth + 1) { count += 1 }
            if !rules.containsCount.contains(count) { return fault("has \(count) items that meet 'contains'") }
        }
        if rules.isUnique {
            stepsLeft -= array.reduce(0) { $0 + $1.weight }
            guard stepsLeft > 0 else { return outOfSteps }
            if Set(array.map(\.withPlainNumbers)).count < array.count { return fault("has equal items, and 'uniqueItems' is true") }
        }
        return nil
    }

    private mutating func violation(of text: String, by rules: JSONSchema.StringRules) -> Violation? {
        stepsLeft -= text.utf8.count / 256
        if rules.length != 0...Int.max, !rules.length.contains(text.unicodeScalars.count) {
            return fault("has \(text.unicodeScalars.count) characters, and must have \(Self.text(rules.length))")
        }
        guard let pattern = rules.pattern else { return nil }
        switch pattern.matches(text, stepsLeft: &stepsLeft) {
        case true?: return nil
        case false?: return fault("does not match the pattern '\(pattern.text)'")
        case nil: return outOfSteps
        }
    }

    private func violation(of number: JSONNumber, by rules: JSONSchema.NumberRules) -> Violation? {
        if let bound = rules.minimum, Self.isLess(number, bound) { return fault("must be \(bound.text) or more") }
        if let bound = rules.maximum, Self.isLess(bound, number) { return fault("must be \(bound.text) or less") }
        if let bound = rules.exclusiveMinimum, !Self.isLess(bound, number) { return fault("must be above \(bound.text)") }
        if let bound = rules.exclusiveMaximum, !Self.isLess(number, bound) { return fault("must be below \(bound.text)") }
        let value = number.double
        if let step = rules.multipleOf {
            let quotient = value / step
            // 0.3 is a multiple of 0.1, but neither is exact as a double.
            if abs(quotient - quotient.rounded()) > 1e-9 * max(1, abs(quotient)) {
                return fault("must be a multiple of \(Self.text(step))")
            }
        }
        return nil
    }

    /// Integers are compared exactly: beyond 2^53, doubles cannot represent all of them.
    private static func isLess(_ left: JSONNumber, _ right: JSONNumber) -> Bool {
        if let left = left.int, let right = right.int { return left < right }
        return left.double < right.double
    }

    // MARK: Words

    private mutating func giveUp(_ message: String) -> Violation {
        if let gaveUp { return gaveUp }
        let quiet = quietCount
        quietCount = 0
        let violation = fault(message)
        quietCount = quiet
        gaveUp = violation
        return violation
    }

    private var outOfSteps: Violation {
        mutating get {
            stepsLeft = min(stepsLeft, 0)
            return giveUp("takes too many steps to be checked")
        }
    }

    private func fault(_ message: @autoclosure () -> String) -> Violation {
        // Composing a message takes longer than the check itself.
        if quietCount > 0 { return Violation(path: "", message: "") }
        let pointer = path.map { step in
            switch step {
            case .name(let name): "/" + JSONSchema.Compiler.escaped(name)
            case .index(let index): "/\(index)"
            }
        }
        return Violation(path: pointer.joined(), message: message())
    }

    private static func text(_ range: ClosedRange<Int>) -> String {
        if range.upperBound == Int.max { return "\(range.lowerBound) or more" }
        return range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    }

    private static func text(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? "\(number)" }
}
