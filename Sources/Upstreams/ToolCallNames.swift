/// Gives each tool call of a request an identifier of its own, the same in every request for the same conversation.
package struct ToolCallNames {
    /// What a dialect takes as an identifier.
    package enum Form {
        case asTheyCame
        /// Letters, digits, `_` and `-`, as Anthropic demands.
        case alphanumeric
    }

    private let form: Form
    private var used: Set<String> = []

    init(_ form: Form) { self.form = form }

    /// The call's own identifier if it is the first to have it, else with `_2`, `_3` … behind it.
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
