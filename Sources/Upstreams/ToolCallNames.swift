/// Gives each tool call of a request a unique identifier, the same one in every request for a conversation.
package struct ToolCallNames {
    /// The identifiers that a dialect accepts.
    package enum Form {
        case asTheyCame
        /// Letters, digits, `_` and `-`, as Anthropic requires.
        case alphanumeric
    }

    private let form: Form
    private var used: Set<String> = []

    init(_ form: Form) { self.form = form }

    /// The call's own identifier for its first use, then with the suffix `_2`, `_3` …
    mutating func unique(_ callID: String) -> String {
        var name = callID.isEmpty ? "call" : callID
        if form == .alphanumeric { name = String(String.UnicodeScalarView(name.unicodeScalars.map(Self.fit))) }
        var candidate = name
        var number = 2
        while !used.insert(candidate).inserted {
            candidate = "\(name)_\(number)"
            number += 1
        }
        return candidate
    }

    private static func fit(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-": scalar
        default: "_"
        }
    }
}
