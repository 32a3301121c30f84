import JSON

/// SplitMix64: a failure is repeated from the seed that it prints.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

enum RandomJSON {
    private static let pieces = [
        "a", "type", "\"", "\\", "/", "\n", "\u{0}", "\u{1F}", "\u{7F}", "é", "e\u{301}", "中", "\u{FFFD}", "😀",
        "\u{10FFFF}",
        "a long run without anything special in it ", " ", "{", "}", "[", "]", ",", ":",
    ]
    private static let numbers = [
        "0", "-0", "1", "-1.50", "1e3", "12345678901234567890", "0.1E-7", "9223372036854775807",
    ]

    static func string(_ random: inout SeededGenerator) -> String {
        (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }

    static func value(_ random: inout SeededGenerator, depth: Int = 4) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .string(string(&random))
        case 3: return JSONNumber(text: numbers.randomElement(using: &random) ?? "0").map { .number($0) } ?? .null
        case 4: return JSONValue(Int.random(in: -1000...1000, using: &random))
        case 5, 6:
            var object = JSONObject()
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                object[string(&random)] = value(&random, depth: depth - 1)
            }
            return .object(object)
        default:
            return .array((0..<Int.random(in: 0...5, using: &random)).map { _ in value(&random, depth: depth - 1) })
        }
    }

    /// The value as a text with white space and needless escapes here and there.
    static func text(_ value: JSONValue, _ random: inout SeededGenerator) -> String {
        func space(_ random: inout SeededGenerator) -> String {
            ["", "", " ", "\n\t", "\r "].randomElement(using: &random) ?? ""
        }
        switch value {
        case .string(let string): return quoted(string, &random)
        case .array(let array):
            let parts = array.map { space(&random) + text($0, &random) + space(&random) }
            return "[" + space(&random) + parts.joined(separator: ",") + "]"
        case .object(let object):
            let parts = object.map { key, value in
                space(&random) + quoted(key, &random) + space(&random) + ":" + space(&random) + text(value, &random)
            }
            return "{" + parts.joined(separator: ",") + space(&random) + "}"
        default: return value.description
        }
    }

    private static func quoted(_ string: String, _ random: inout SeededGenerator) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            if scalar == "\"" || scalar == "\\" || scalar.value < 0x20 || Int.random(in: 0..<5, using: &random) == 0 {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: Bool.random(using: &random))
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
