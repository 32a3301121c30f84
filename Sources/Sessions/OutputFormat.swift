public import JSON
public import JSONSchema

/// The required format of a response's text: `text.format` of the Responses API, unless that is plain text.
public enum OutputFormat: Sendable {
    /// `json_object`: any JSON object.
    case object
    /// `json_schema`: JSON that meets the schema.
    case schema(JSONSchema)

    /// - Parameter format: the object in the request.
    /// - Returns: nil for plain text, and for unknown types.
    /// - Throws: ``JSONSchemaError`` for an invalid schema.
    public init?(_ format: JSONValue?) throws(JSONSchemaError) {
        switch format?["type"]?.string {
        case "json_object"?: self = .object
        case "json_schema"?: self = .schema(try JSONSchema(format?["schema"] ?? [:]))
        default: return nil
        }
    }

    /// Validates a complete text. May take a second or two: not for a loop.
    public func verdict(on text: String) -> OutputVerdict {
        switch Self.parsed(text) {
        case .failure(let violation): .invalid(violation)
        case .success(let value): verdict(on: value) { $0.firstViolation(in: value) }
        }
    }

    /// Like ``verdict(on:)`` if that takes some milliseconds at most, otherwise nil.
    /// - Parameter format: the object in the request.
    static func quickVerdict(on text: String, format: JSONValue) -> OutputVerdict? {
        guard text.utf8.count <= 16 << 10, format.weight <= 1000, let wanted = try? OutputFormat(format) else { return nil }
        let value: JSONValue
        switch parsed(text) {
        case .failure(let violation): return .invalid(violation)
        case .success(let whole): value = whole
        }
        return try? wanted.verdict(on: value) { (schema) throws(JSONSchema.OutOfSteps) in
            try schema.firstViolation(in: value, steps: JSONSchema.quickSteps)
        }
    }

    private static func parsed(_ text: String) -> Result<JSONValue, JSONSchema.Violation> {
        do throws(JSONError) {
            return .success(try JSONValue.parse(text))
        } catch {
            return .failure(JSONSchema.Violation(path: "", message: "is no JSON: \(error)"))
        }
    }

    private func verdict<Failure: Error>(
        on value: JSONValue, _ firstViolation: (JSONSchema) throws(Failure) -> JSONSchema.Violation?
    ) throws(Failure) -> OutputVerdict {
        switch self {
        case .object:
            value.object == nil ? .invalid(JSONSchema.Violation(path: "", message: "must be a JSON object")) : .valid
        case .schema(let schema): try firstViolation(schema).map { .invalid($0) } ?? .valid
        }
    }
}

/// Whether a response's text has the required format.
public enum OutputVerdict: Sendable, Hashable {
    case valid
    /// The first violation, and where it is.
    case invalid(JSONSchema.Violation)

    /// Writes the members of `interject:validation`, and of `interject.validation` in the response object.
    public func write(to writer: inout JSONObjectWriter) {
        switch self {
        case .valid: writer.field("valid", true)
        case .invalid(let violation):
            writer.field("valid", false)
            // Not `error`: SDKs raise any event with that member, which would end the stream.
            writer.object("violation") {
                $0.field("path", violation.path)
                $0.field("message", violation.message)
            }
        }
    }
}

extension Generation {
    /// Ends a complete response once its format has been validated: at once, or off the loop.
    func judge() {
        guard let (format, text) = outputToJudge else { return conclude(nil) }
        if let verdict = OutputFormat.quickVerdict(on: text, format: format) { return conclude(verdict) }
        conclude(by: .judging)
        context.host.compute(for: owner) {
            (try? OutputFormat(format))?.verdict(on: text)
        } then: { [self] verdict in
            // The response may have been interrupted meanwhile, or its session deleted.
            guard phase.isUnderWay else { return }
            conclude(verdict ?? .invalid(Self.unchecked))
        }
    }

    /// Validates on the loop.
    func judgeNow() {
        guard verdict == nil, let (format, text) = outputToJudge else { return }
        verdict = (try? OutputFormat(format))?.verdict(on: text) ?? .invalid(Self.unchecked)
    }

    private static let unchecked = JSONSchema.Violation(path: "", message: "could not be checked: the server has too much to do")

    private func conclude(_ verdict: OutputVerdict?) {
        self.verdict = verdict
        endPiecewise(Self.status(by: verdict))
    }

    static func status(by verdict: OutputVerdict?) -> Status {
        if case .invalid? = verdict { .incomplete(.invalidStructuredOutput) } else { .completed }
    }

    /// The text, possibly empty, and its required format; nil if none is required, or the output is something else: a tool call, a
    /// refusal, or the continuation of another response.
    private var outputToJudge: (format: JSONValue, text: String)? {
        guard !request.continuesLastMessage, let format = parameters.members["text"]?["format"],
            !draft.items.contains(where: \.isCallOrRefusal)
        else { return nil }
        switch format["type"]?.string {
        case "json_object"?, "json_schema"?: return (format, draft.items.last(where: \.isMessage)?.text ?? "")
        default: return nil
        }
    }
}
