/// The header of one part of a form (RFC 7578 §4).
public struct MultipartHead: Sendable, Hashable {
    /// The field's name.
    public var name: String
    /// The file's name; nil for a plain field.
    public var filename: String?
    public var contentType: String?

    /// - Parameter fields: lower-case names, trimmed values.
    init(_ fields: [(name: String, value: String)]) throws(MultipartError) {
        var disposition: Parameters?
        for (name, value) in fields {
            switch name {
            case "content-disposition":
                guard disposition == nil, let read = Parameters(value), read.value == "form-data" else { throw .missingName }
                disposition = read
            case "content-type": contentType = value
            case "content-transfer-encoding":
                guard ["binary", "8bit", "7bit"].contains(value.lowercased()) else { throw .unsupportedEncoding }
            default: break
            }
        }
        guard let disposition, let name = disposition["name"] else { throw .missingName }
        self.name = name
        filename = disposition["filename"]
    }
}

/// A field value with parameters: `form-data; name="a"; filename="b"`.
struct Parameters {
    private(set) var value = ""
    private var parameters: [(name: String, value: String)] = []

    /// Nil if it is malformed, or repeats a parameter.
    init?(_ text: String) {
        var rest = Substring(text)
        guard let semicolon = rest.firstIndex(of: ";") else {
            value = text.trimmed.lowercased()
            return
        }
        value = String(rest[..<semicolon]).trimmed.lowercased()
        rest = rest[semicolon...]
        while let first = rest.first {
            guard first == ";" else { return nil }
            rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
            if rest.isEmpty { break }
            guard let equals = rest.firstIndex(of: "=") else { return nil }
            let name = String(rest[..<equals]).lowercased()
            rest = rest[rest.index(after: equals)...]
            guard !name.isEmpty, self[name] == nil, let parameter = Self.takeValue(&rest) else { return nil }
            parameters.append((name, parameter))
            rest = rest.drop { $0 == " " || $0 == "\t" }
        }
    }

    subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// Consumes a token or a quoted string from the front.
    private static func takeValue(_ rest: inout Substring) -> String? {
        guard rest.first == "\"" else {
            let token = rest.prefix { $0 != ";" && $0 != " " && $0 != "\t" }
            rest = rest[token.endIndex...]
            return token.isEmpty || token.contains("\"") ? nil : String(token)
        }
        var text = ""
        var index = rest.index(after: rest.startIndex)
        while index < rest.endIndex {
            let character = rest[index]
            index = rest.index(after: index)
            if character == "\"" {
                rest = rest[index...]
                return text
            }
            // Only `\"` and `\\` are escapes: Windows paths from old browsers have lone backslashes.
            if character == "\\", index < rest.endIndex, rest[index] == "\"" || rest[index] == "\\" {
                text.append(rest[index])
                index = rest.index(after: index)
            } else {
                text.append(character)
            }
        }
        return nil
    }
}

extension String {
    fileprivate var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
