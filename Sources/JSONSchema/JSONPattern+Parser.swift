extension JSONPattern {
    /// The syntax tree of a pattern.
    indirect enum Tree {
        case scalar(ScalarSet)
        case start, end
        case boundary(Bool)
        case sequence([Tree])
        case choice([Tree])
        /// `most` nil: unbounded.
        case repeated(Tree, least: Int, most: Int?)
    }

    struct Parser {
        private let scalars: [Unicode.Scalar]
        private var position = 0

        init(_ text: String) { scalars = Array(text.unicodeScalars) }

        mutating func parse() throws(JSONPatternError) -> Tree {
            let tree = try choice(depth: 0)
            guard position == scalars.count else { throw JSONPatternError(message: "it has a ')' without '('") }
            return tree
        }

        private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

        private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            guard next == scalar else { return false }
            position += 1
            return true
        }

        private mutating func choice(depth: Int) throws(JSONPatternError) -> Tree {
            guard depth < Limits.maxDepth else { throw JSONPatternError(message: "its groups are nested too deep") }
            var parts = [try sequence(depth: depth)]
            while take("|") { parts.append(try sequence(depth: depth)) }
            return parts.count == 1 ? parts[0] : .choice(parts)
        }

        private mutating func sequence(depth: Int) throws(JSONPatternError) -> Tree {
            var parts: [Tree] = []
            while let scalar = next, scalar != "|", scalar != ")" {
                let atom = try atom(depth: depth)
                parts.append(try repeated(atom))
            }
            return .sequence(parts)
        }

        private mutating func repeated(_ atom: Tree) throws(JSONPatternError) -> Tree {
            var least = 1
            var most: Int? = 1
            switch next {
            case "*": (least, most) = (0, nil)
            case "+": (least, most) = (1, nil)
            case "?": (least, most) = (0, 1)
            case "{":
                (least, most) = try bounds()
                position -= 1
            default: return atom
            }
            position += 1
            // Lazy quantifiers match the same texts.
            _ = take("?")
            if let next, next == "*" || next == "+" || next == "?" { throw JSONPatternError(message: "it repeats a repetition") }
            return .repeated(atom, least: least, most: most)
        }

        private static var strayBrace: JSONPatternError {
            JSONPatternError(message: "it has a '{' that is no repetition: write '\\{'")
        }

        /// `{m}`, `{m,}`, `{m,n}`.
        private mutating func bounds() throws(JSONPatternError) -> (Int, Int?) {
            position += 1
            guard let least = number() else { throw Self.strayBrace }
            var most: Int? = least
            if take(",") { most = number() }
            guard take("}") else { throw Self.strayBrace }
            guard least <= most ?? least, max(least, most ?? 0) <= Limits.maxRepeats else {
                throw JSONPatternError(message: "its repetitions must be 0 to \(Limits.maxRepeats), the smaller number first")
            }
            return (least, most)
        }

        private mutating func number() -> Int? {
            var value: Int?
            while let scalar = next, (48...57).contains(scalar.value), (value ?? 0) < 100_000 {
                value = (value ?? 0) * 10 + Int(scalar.value - 48)
                position += 1
            }
            return value
        }

        private mutating func atom(depth: Int) throws(JSONPatternError) -> Tree {
            guard let scalar = next else { return .sequence([]) }
            position += 1
            switch scalar {
            case "^": return .start
            case "$": return .end
            case ".": return .scalar(ScalarSet.lineEnds.negated)
            case "(": return try group(depth: depth)
            case "[": return .scalar(try set())
            case "\\":
                if take("b") { return .boundary(true) }
                if take("B") { return .boundary(false) }
                return .scalar(try escape())
            case "*", "+", "?", "{": throw JSONPatternError(message: "it has a '\(scalar)' with nothing to repeat")
            default: return .scalar(ScalarSet(ranges: [scalar.value...scalar.value]))
            }
        }

        private mutating func group(depth: Int) throws(JSONPatternError) -> Tree {
            if take("?") {
                if take("<") {
                    guard let first = next, first != "=", first != "!" else {
                        throw JSONPatternError(message: "looking behind is not supported")
                    }
                    while let scalar = next, scalar != ">" { _ = take(scalar) }
                    guard take(">") else { throw JSONPatternError(message: "the name of a group does not end") }
                } else if !take(":") {
                    throw JSONPatternError(message: "looking ahead and flags are not supported")
                }
            }
            let tree = try choice(depth: depth + 1)
            guard take(")") else { throw JSONPatternError(message: "it has a '(' without ')'") }
            return tree
        }

        /// After a backslash.
        private mutating func escape() throws(JSONPatternError) -> ScalarSet {
            guard let scalar = next else { throw JSONPatternError(message: "it ends with a backslash") }
            position += 1
            switch scalar {
            case "d": return .digit
            case "D": return ScalarSet.digit.negated
            case "w": return .word
            case "W": return ScalarSet.word.negated
            case "s": return .space
            case "S": return ScalarSet.space.negated
            default: break
            }
            let value: UInt32
            switch scalar {
            case "n": value = 10
            case "r": value = 13
            case "t": value = 9
            case "f": value = 12
            case "v": value = 11
            case "0": value = 0
            case "x": value = try hexadecimal(2)
            case "u":
                if take("{") {
                    var digits = 0
                    while digits < 6, position + digits < scalars.count, scalars[position + digits] != "}" { digits += 1 }
                    value = try hexadecimal(digits)
                    guard take("}") else { throw JSONPatternError(message: "a '\\u{' does not end") }
                } else {
                    value = try hexadecimal(4)
                }
            case "1"..."9", "k": throw JSONPatternError(message: "references to groups are not supported")
            case "p", "P": throw JSONPatternError(message: "'\\p' is not supported")
            case "a"..."z", "A"..."Z": throw JSONPatternError(message: "'\\\(scalar)' is not known")
            default: value = scalar.value
            }
            return ScalarSet(ranges: [value...value])
        }

        private mutating func hexadecimal(_ count: Int) throws(JSONPatternError) -> UInt32 {
            guard count > 0, position + count <= scalars.count else { throw JSONPatternError(message: "an escape lacks digits") }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars[position..<position + count])
            guard let value = UInt32(String(text), radix: 16) else { throw JSONPatternError(message: "an escape lacks digits") }
            position += count
            return value
        }

        /// After `[`.
        private mutating func set() throws(JSONPatternError) -> ScalarSet {
            let isNegated = take("^")
            var ranges: [ClosedRange<UInt32>] = []
            while !take("]") {
                let first = try member()
                guard let low = first.single, next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                    ranges += first.positiveRanges
                    continue
                }
                position += 1
                guard let high = try member().single else {
                    throw JSONPatternError(message: "a range in [] must end with a character")
                }
                guard low <= high else { throw JSONPatternError(message: "a range in [] must begin with the smaller character") }
                ranges.append(low...high)
            }
            return ScalarSet(ranges: ranges, isNegated: isNegated)
        }

        private mutating func member() throws(JSONPatternError) -> ScalarSet {
            guard let scalar = next else { throw JSONPatternError(message: "it has a '[' without ']'") }
            position += 1
            guard scalar == "\\" else { return ScalarSet(ranges: [scalar.value...scalar.value]) }
            if take("b") { return ScalarSet(ranges: [8...8]) }
            if take("-") { return ScalarSet(ranges: [45...45]) }
            return try escape()
        }
    }
}

extension ScalarSet {
    /// The scalar, if the set has exactly one.
    fileprivate var single: UInt32? {
        guard !isNegated, ranges.count == 1, ranges[0].count == 1 else { return nil }
        return ranges[0].lowerBound
    }
}
