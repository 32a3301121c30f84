public import JSON

/// What the text of an answer must be: `text.format` of the Responses API, where it is more than text.
public enum OutputFormat: Sendable {
    /// `json_object`: any JSON object.
    case object
    /// `json_schema`: JSON that meets the schema.
    case schema(JSONSchema)

    /// - Parameter format: the object as it was sent.
    /// - Returns: nil for plain text, and for types that we do not know.
    public init?(_ format: JSONValue?) throws(JSONSchemaError) {
        switch format?["type"]?.string {
        case "json_object"?: self = .object
        case "json_schema"?: self = .schema(try JSONSchema(format?["schema"] ?? [:]))
        default: return nil
        }
    }

    /// Whether a whole answer is as it must be.
    public func verdict(on text: String) -> OutputVerdict {
        let value: JSONValue
        do {
            value = try JSONValue.parse(text)
        } catch {
            return .invalid(JSONSchema.Violation(path: "", message: "is no JSON: \(error)"))
        }
        switch self {
        case .object:
            return value.object == nil ? .invalid(JSONSchema.Violation(path: "", message: "must be a JSON object")) : .valid
        case .schema(let schema): return schema.firstViolation(in: value).map { .invalid($0) } ?? .valid
        }
    }
}

/// Whether an answer met the format that was asked for.
public enum OutputVerdict: Sendable, Hashable {
    case valid
    /// The first thing that is wrong, and where.
    case invalid(JSONSchema.Violation)

    /// Writes the members of `interject:validation`, and of `interject.validation` in the response.
    func write(to writer: inout JSONObjectWriter) {
        switch self {
        case .valid: writer.field("valid", true)
        case .invalid(let violation):
            writer.field("valid", false)
            // Not `error`: SDKs raise every event that has such a member, and the stream would end there.
            writer.object("violation") {
                $0.field("path", violation.path)
                $0.field("message", violation.message)
            }
        }
    }
}

extension Generation {
    /// The verdict on what was said; nil if nothing was asked for, or if there is no answer to judge: a tool was called, the model
    /// refused, or the text goes on from another response.
    func judgeOutput() -> OutputVerdict? {
        guard !continuesLastMessage, let format = parameters.members["text"]?["format"],
            let message = items.last(where: \.isMessage),
            case .message(isRefusal: false) = message.kind, let wanted = try? OutputFormat(format)
        else { return nil }
        return wanted.verdict(on: message.text)
    }
}
