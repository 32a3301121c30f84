/// A regular expression as in JSON Schema's `pattern` (ECMA-262), matched without backtracking in O(text × pattern) time.
/// Unanchored, over Unicode scalars.
///
/// Supported: literals, `.`, classes, `\d \w \s \b` and their negations, groups (also named and non-capturing), `|`, `* + ? {m,n}`,
/// `^`, `$`, escapes. Not supported: backreferences, lookahead, lookbehind, `\p`.
struct JSONPattern: Sendable {
    enum Limits {
        /// In UTF-8.
        static let maxBytes = 16 << 10
        /// Includes the ranges of sets, and parts that compile to no instruction.
        static let maxInstructions = 4000
        static let maxDepth = 32
        static let maxRepeats = 1000
    }

    enum Instruction: Sendable {
        case scalar(ScalarSet)
        /// Continues at both.
        case split(Int, Int)
        case jump(Int)
        case start, end
        case boundary(Bool)
        case match
    }

    let text: String
    let program: [Instruction]
    /// Cost of compiling it, in instructions.
    let cost: Int

    init(_ text: String) throws(JSONPatternError) {
        guard text.utf8.count <= Limits.maxBytes else {
            throw JSONPatternError(message: "it has more than \(Limits.maxBytes) bytes")
        }
        self.text = text
        var parser = Parser(text)
        var compiler = Compiler()
        try compiler.emit(try parser.parse())
        try compiler.add(.match)
        program = compiler.program
        cost = compiler.cost
    }

    /// Whether the pattern matches anywhere in the text; nil if that takes more than `stepsLeft`.
    /// - Parameter stepsLeft: reduced by one per instruction and character.
    func matches(_ text: String, stepsLeft: inout Int) -> Bool? {
        stepsLeft -= text.utf8.count / 16 + program.count / 16
        guard stepsLeft > 0 else { return nil }
        let scalars = Array(text.unicodeScalars)
        var current = Threads(count: program.count)
        var next = Threads(count: program.count)
        for position in 0...scalars.count {
            // Unanchored: a match may begin anywhere.
            if add(0, to: &current, at: position, scalars) { return true }
            guard position < scalars.count else { return false }
            stepsLeft -= 1 + current.cost
            if stepsLeft <= 0 { return nil }
            next.clear()
            for place in current.list {
                guard case .scalar(let set) = program[place], set.contains(scalars[position]) else { continue }
                if add(place + 1, to: &next, at: position + 1, scalars) { return true }
            }
            swap(&current, &next)
        }
        return false
    }

    /// ``matches(_:stepsLeft:)`` with the most steps that a check may take.
    func matches(_ text: String) -> Bool? {
        var stepsLeft = JSONSchema.maxSteps
        return matches(text, stepsLeft: &stepsLeft)
    }

    /// Follows instructions that consume no scalar.
    /// - Returns: whether the pattern has matched.
    private func add(_ first: Int, to threads: inout Threads, at position: Int, _ scalars: [Unicode.Scalar]) -> Bool {
        threads.pending.append(first)
        while let place = threads.pending.popLast() {
            guard threads.insert(place) else { continue }
            switch program[place] {
            case .match: return true
            case .scalar(let set): threads.cost += set.ranges.count / 4
            case .jump(let target): threads.pending.append(target)
            case .split(let first, let second):
                threads.pending.append(second)
                threads.pending.append(first)
            case .start: if position == 0 { threads.pending.append(place + 1) }
            case .end: if position == scalars.count { threads.pending.append(place + 1) }
            case .boundary(let isWanted):
                let before = position > 0 && ScalarSet.word.contains(scalars[position - 1])
                let after = position < scalars.count && ScalarSet.word.contains(scalars[position])
                if (before != after) == isWanted { threads.pending.append(place + 1) }
            }
        }
        return false
    }

    /// The instructions that are active at one position of the text.
    private struct Threads {
        var list: [Int] = []
        /// Cost of one character with these threads.
        var cost = 0
        var pending: [Int] = []
        private var isIn: [Bool]

        // number-safe: the count of a program that was made
        init(count: Int) { isIn = Array(repeating: false, count: count) }

        mutating func insert(_ place: Int) -> Bool {
            if isIn[place] { return false }
            isIn[place] = true
            list.append(place)
            cost += 1
            return true
        }

        mutating func clear() {
            for place in list { isIn[place] = false }
            list.removeAll(keepingCapacity: true)
            cost = 0
        }
    }

    /// Compiles a tree to a program.
    private struct Compiler {
        var program: [Instruction] = []
        private(set) var cost = 0

        mutating func add(_ instruction: Instruction) throws(JSONPatternError) {
            if case .scalar(let set) = instruction { try spend(set.ranges.count / 8) }
            program.append(instruction)
        }

        /// Counts parts, too: an empty part compiles to no instruction however often it is repeated.
        private mutating func spend(_ amount: Int) throws(JSONPatternError) {
            cost += amount
            guard cost <= Limits.maxInstructions else { throw JSONPatternError(message: "it is too large") }
        }

        mutating func emit(_ tree: Tree) throws(JSONPatternError) {
            try spend(1)
            switch tree {
            case .scalar(let set): try add(.scalar(set))
            case .start: try add(.start)
            case .end: try add(.end)
            case .boundary(let isWanted): try add(.boundary(isWanted))
            case .sequence(let parts): for part in parts { try emit(part) }
            case .choice(let parts): try emit(choice: parts[...])
            case .repeated(let part, let least, let most):
                for _ in 0..<least { try emit(part) }
                if let most {
                    var splits: [Int] = []
                    for _ in least..<most {
                        splits.append(program.count)
                        try add(.match)
                        try emit(part)
                    }
                    for split in splits { program[split] = .split(split + 1, program.count) }
                } else {
                    let split = program.count
                    try add(.match)
                    try emit(part)
                    try add(.jump(split))
                    program[split] = .split(split + 1, program.count)
                }
            }
        }

        private mutating func emit(choice parts: ArraySlice<Tree>) throws(JSONPatternError) {
            var jumps: [Int] = []
            for part in parts.dropLast() {
                let split = program.count
                try add(.match)
                try emit(part)
                jumps.append(program.count)
                try add(.match)
                program[split] = .split(split + 1, program.count)
            }
            if let last = parts.last { try emit(last) }
            for jump in jumps { program[jump] = .jump(program.count) }
        }
    }
}

struct JSONPatternError: Error {
    let message: String
}

/// A set of Unicode scalars.
struct ScalarSet: Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar.value) } != isNegated }

    static let digit = ScalarSet(ranges: [48...57])
    static let word = ScalarSet(ranges: [48...57, 65...90, 95...95, 97...122])
    static let space = ScalarSet(
        ranges: [
            9...13, 32...32, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F,
            0x3000...0x3000, 0xFEFF...0xFEFF,
        ])
    static let lineEnds = ScalarSet(ranges: [10...10, 13...13, 0x2028...0x2029])

    var negated: ScalarSet { ScalarSet(ranges: ranges, isNegated: !isNegated) }

    /// The same set without negation.
    var positiveRanges: [ClosedRange<UInt32>] {
        guard isNegated else { return ranges }
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return result
    }
}
