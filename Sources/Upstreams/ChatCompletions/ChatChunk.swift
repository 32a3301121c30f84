import JSON

/// The understood members of one `chat.completion.chunk` or `chat.completion`, as views into its bytes. Parsing delivers nothing.
///
/// One pass validates the whole chunk, so that half a chunk is never delivered.
struct ChatChunk {
    /// The first element of `choices`.
    private(set) var choice: ChatChoice?
    /// All of `choices`, if there is more than one.
    private(set) var choices: JSONReader?
    private(set) var usage: JSONReader?
    private(set) var error: JSONReader?
    /// The chunk itself, to search for an error outside of `error`.
    private let whole: JSONReader

    /// - Parameter reader: at an object.
    init(_ reader: inout JSONReader) throws(JSONError) {
        whole = reader
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "choices": try readChoices(&reader)
            case "usage": usage = try reader.bookmark() ?? usage
            case "usageMetadata": try takeUsage(&reader)
            case "error": error = try reader.bookmark() ?? error
            default:
                // `x_groq` and similar members.
                if try reader.peek() == .object { try findUsage(&reader) } else { try reader.skipValue() }
            }
        }
    }

    /// The text of a chunk that tells nothing else.
    var onlyText: RawString? {
        guard choices == nil, usage == nil, error == nil else { return nil }
        return choice?.onlyText
    }

    /// What a chunk reports besides an answer.
    enum Told {
        case nothing
        case error(UpstreamErrorObject)
        /// Text of an error if no answer follows.
        case words(UpstreamErrorObject)
    }

    /// Finds an error: in `error`, in the choice, or flat in a chunk without an answer.
    func readError() throws(JSONError) -> Told {
        var whole = whole
        if var error, !(try error.readValue().saysNothing) {
            // `{"error": true, "message": …}`: the error's members stand beside it.
            return .error(UpstreamErrorObject(try whole.readValue()))
        }
        if var error = choice?.error, let told = UpstreamErrorObject(told: try error.readValue()) { return .error(told) }
        guard choice == nil, usage == nil else { return .nothing }
        let value = try whole.readValue()
        if let error = UpstreamErrorObject(saying: value) { return .error(error) }
        return UpstreamErrorObject(flat: value).map { .words($0) } ?? .nothing
    }

    private mutating func readChoices(_ reader: inout JSONReader) throws(JSONError) {
        switch try reader.peek() {
        case .array:
            let list = reader
            var count = 0
            try reader.enterArray()
            while try reader.nextElement() {
                if count == 0 { choice = try ChatChoice(&reader) } else { try reader.skipValue() }
                count += 1
            }
            if count > 1 { choices = list }
        // A single choice instead of a list.
        case .object: choice = try ChatChoice(&reader)
        default: try reader.skipValue()
        }
    }

    private mutating func findUsage(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if key == "usage" { try takeUsage(&reader) } else { try reader.skipValue() }
        }
    }

    /// `usage` takes precedence over other members.
    private mutating func takeUsage(_ reader: inout JSONReader) throws(JSONError) {
        let found = try reader.bookmark()
        usage = usage ?? found
    }
}

/// One of `choices`.
struct ChatChoice {
    private(set) var index: Int?
    private(set) var delta: ChatDelta?
    private(set) var message: ChatDelta?
    /// `text` of the legacy completions API.
    private(set) var text: RawString?
    private(set) var finishReason: JSONReader?
    private(set) var usage: JSONReader?
    /// Reported by OpenRouter.
    private(set) var error: JSONReader?

    /// - Parameter reader: at any value; anything but an object is an empty choice.
    init(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.enteredObject() else { return }
        while let key = try reader.nextKey() {
            switch key {
            case "index": index = try reader.readIndex()
            case "delta": delta = try ChatDelta(&reader)
            case "message": message = try ChatDelta(&reader)
            case "text": text = try reader.readText()
            case "finish_reason", "finishReason": finishReason = try reader.bookmark() ?? finishReason
            case "usage": usage = try reader.bookmark()
            case "error": error = try reader.bookmark()
            default: try reader.skipValue()
            }
        }
    }
}

extension ChatChoice {
    /// The text of a choice that tells nothing else.
    fileprivate var onlyText: RawString? {
        guard message == nil, text == nil, finishReason == nil, usage == nil, error == nil else { return nil }
        return delta?.onlyText
    }
}

/// The `delta` or `message` of a choice.
struct ChatDelta {
    /// Content that is a string, or with some servers a list of parts.
    enum Content {
        case text(RawString)
        case parts(JSONReader)
    }

    private(set) var content: Content?
    private(set) var reasoning: Content?
    private(set) var refusal: Content?
    private(set) var toolCalls: JSONReader?
    /// OpenAI's deprecated `function_call`.
    private(set) var functionCall: JSONReader?
    /// OpenRouter's, beside `reasoning` or without it.
    private(set) var reasoningDetails: JSONReader?
    /// The member that contained the reasoning, unless it was `reasoning_content`.
    private(set) var reasoningName: RawString?
    /// Gemini's signature of a text.
    private(set) var extraContent: JSONReader?
    /// Whether the role is another speaker's: a tool or the user.
    private(set) var isForeign = false

    /// - Parameter reader: at any value: a string or a list is the content.
    init(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.peek() == .object else {
            content = try Self.content(&reader)
            return
        }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "content": content = try Self.content(&reader) ?? content
            // Some servers send the same text under several names.
            case "reasoning_content", "reasoning", "reasoning_text", "thinking":
                let found = try Self.content(&reader)
                if reasoning == nil, found != nil {
                    reasoning = found
                    reasoningName = key == "reasoning_content" ? nil : key
                }
            case "role": isForeign = try Self.isForeign(&reader)
            case "refusal": refusal = try Self.content(&reader) ?? refusal
            case "tool_calls": toolCalls = try reader.bookmark() ?? toolCalls
            case "function_call": functionCall = try reader.bookmark() ?? functionCall
            case "extra_content": extraContent = try reader.bookmark() ?? extraContent
            case "reasoning_details": reasoningDetails = try reader.bookmark() ?? reasoningDetails
            default: try reader.skipValue()
            }
        }
    }

    /// The text of a delta that tells nothing else.
    fileprivate var onlyText: RawString? {
        guard reasoning == nil, refusal == nil, toolCalls == nil, functionCall == nil, reasoningDetails == nil, extraContent == nil,
            !isForeign, case .text(let text)? = content
        else { return nil }
        return text
    }

    private static func isForeign(_ reader: inout JSONReader) throws(JSONError) -> Bool {
        switch try reader.readText() {
        case .some(let role) where role == "tool" || role == "user" || role == "system": true
        case .some(let role) where role == "function" || role == "developer": true
        default: false
        }
    }

    /// Nil for an empty value: empty text, null, a number, a boolean.
    private static func content(_ reader: inout JSONReader) throws(JSONError) -> Content? {
        switch try reader.peek() {
        case .string:
            let text = try reader.readString()
            return text.isEmpty ? nil : .text(text)
        case .array, .object:
            let position = reader
            try reader.skipValue()
            return .parts(position)
        case .number, .bool, .null:
            try reader.skipValue()
            return nil
        }
    }
}
