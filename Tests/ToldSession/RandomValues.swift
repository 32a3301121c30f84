public import JSON
public import Sessions

/// SplitMix64: a failure is repeated from the seed that it prints.
public struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Makes values with whatever they may hold: each optional is there or not, each list empty or not.
public protocol RandomValues: RandomNumberGenerator {
    var generator: SplitMix64 { get set }
    /// A text of any length.
    mutating func text() -> String
}

extension RandomValues {
    public mutating func next() -> UInt64 { generator.next() }

    public mutating func flag() -> Bool { next() % 2 == 0 }
    public mutating func maybe<Value>(_ make: (inout Self) throws -> Value) rethrows -> Value? { flag() ? try make(&self) : nil }
    public mutating func list<Value>(_ make: (inout Self) -> Value) -> [Value] { (0..<Int(next() % 3)).map { _ in make(&self) } }

    /// Of what stands in JSON: SQLite's own columns end at a NUL, and nothing that is named may have one.
    public mutating func words() -> String { flag() ? text() : "a\u{0}b\u{1F}" }

    /// Any value but null, which stands for nothing.
    public mutating func value(depth: Int = 3) -> JSONValue {
        switch next() % (depth > 0 ? 5 : 3) {
        case 0: .string(words())
        case 1: .number([0, 1.5, 1e300, 9_007_199_254_740_992].randomElement(using: &self).flatMap { JSONNumber($0) } ?? 0)
        case 2: .bool(flag())
        case 3: .object(object(depth: depth - 1))
        default: .array(list { $0.flag() ? .null : $0.value(depth: depth - 1) })
        }
    }

    public mutating func object(depth: Int = 3) -> JSONObject {
        var object = JSONObject()
        for key in ["b", "a", "é", ""] where flag() { object[key] = flag() ? .null : value(depth: depth) }
        return object
    }

    // MARK: Parts of sessions

    public mutating func item() -> Item {
        Item(
            id: text(), status: [.inProgress, .completed, .incomplete].randomElement(using: &self) ?? .completed, body: object(),
            chatMessage: maybe { .object($0.object()) })
    }

    public mutating func parameters() -> ResponseParameters {
        ResponseParameters(model: text(), instructions: maybe { $0.text() }, members: object(), chatMembers: maybe { $0.object() })
    }

    public mutating func policy() -> DisconnectPolicy {
        [.cancel, .continuing, .grace(.zero), .grace(.seconds(30))].randomElement(using: &self) ?? .cancel
    }

    public mutating func mode() -> InterjectionMode { InterjectionMode.allCases.randomElement(using: &self) ?? .queue }

    public mutating func step() -> Step {
        Step(
            id: text(), kind: text(), name: maybe { $0.text() },
            status: Step.Status.allCases.randomElement(using: &self) ?? .failed, title: maybe { $0.text() },
            detail: maybe { $0.value() }, parentID: maybe { $0.text() })
    }
}
