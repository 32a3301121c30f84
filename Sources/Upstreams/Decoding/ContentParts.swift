import JSON
import Sessions

/// Reads content that is a list of parts instead of a string, as Mistral's reasoning models send it:
/// `[{"type":"text","text":…},{"type":"thinking","thinking":[…]}]`, or one such object.
///
/// Member names identify a part. Parts without text (references, images) are ignored.
struct ContentParts {
    /// The kind of parts that do not state theirs.
    let kind: AnswerText.Kind
    let isLast: Bool

    /// Delivers the text of the next value, whatever its type.
    func read<Sink: ModelSink>(
        _ reader: inout JSONReader, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        switch try reader.peek() {
        case .string: text.write(try reader.readString(), as: kind, isLast: isLast, into: sink)
        case .array:
            try reader.enterArray()
            while try reader.nextElement() { try read(&reader, &text, into: sink) }
        case .object: try readPart(&reader, &text, into: sink)
        case .number, .bool, .null: try reader.skipValue()
        }
    }

    private func readPart<Sink: ModelSink>(
        _ reader: inout JSONReader, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        var kind = kind
        var words: JSONReader?
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "type":
                switch try reader.readText() {
                case .some(let type) where type == "thinking" || type == "reasoning" || type == "reasoning_text": kind = .reasoning
                case .some(let type) where type == "reasoning.text" || type == "reasoning.summary": kind = .reasoning
                case .some(let type) where type == "refusal": kind = .refusal
                default: break
                }
            case "text", "content", "parts", "value", "summary":
                let found = try reader.bookmark()
                words = words ?? found
            case "thinking", "reasoning":
                if let found = try reader.bookmark() {
                    words = found
                    kind = .reasoning
                }
            case "refusal":
                if let found = try reader.bookmark() {
                    words = found
                    kind = .refusal
                }
            default: try reader.skipValue()
            }
        }
        if var words { try ContentParts(kind: kind, isLast: isLast).read(&words, &text, into: sink) }
    }
}
