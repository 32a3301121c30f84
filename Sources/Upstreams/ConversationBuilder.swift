import JSON
import Sessions

/// Converts items to `Conversation.Turn`s.
struct ConversationBuilder {
    private let items: [Item]
    private let pairs: ToolPairs
    /// Identifiers of the calls of ``pairs``, unique.
    private let callIDs: [String]
    /// Index of an item to the index of its first call.
    private var callOfItem: [Int: Int] = [:]
    private var turns: [Conversation.Turn] = []
    /// The assistant message under construction.
    private var answer: Conversation.Turn?
    /// Set if the last answer was cut, until the next message.
    private var interruption: Conversation.Interruption?
    /// Results of the answer's calls, to directly follow it.
    private var results: [Conversation.Turn] = []

    init(_ items: [Item], callIDs form: ToolCallNames.Form) {
        self.items = items
        pairs = ToolPairs(items)
        var names = ToolCallNames(form)
        callIDs = pairs.calls.map { call in
            let unique = names.unique(call.callID)
            // Messages of a chat client are passed on unchanged, with their identifiers.
            return form == .asTheyCame && items[call.item].chatMessage != nil ? call.callID : unique
        }
        for (index, call) in pairs.calls.enumerated() where call.position == 0 { callOfItem[call.item] = index }
    }

    mutating func build() -> [Conversation.Turn] {
        for index in items.indices { take(items[index], at: index) }
        closeAnswer()
        return turns
    }

    private mutating func take(_ item: Item, at index: Int) {
        switch item.type {
        case "function_call", "custom_tool_call": takeCall(item, at: index)
        case "function_call_output", "custom_tool_call_output": takeResult(at: index)
        case "message": takeMessage(item, at: index)
        case "reasoning":
            if let part = Conversation.Part(reasoning: item) { add([part]) }
        default:
            // No face admits another type.
            break
        }
    }

    private mutating func takeCall(_ item: Item, at index: Int) {
        guard let call = callOfItem[index], let output = pairs.calls[call].output else { return }
        let isCustom = item.type == "custom_tool_call"
        let toolCall = Conversation.ToolCall(
            id: callIDs[call], name: item.body["name"]?.string ?? "",
            input: item.body[isCustom ? "input" : "arguments"]?.string ?? "", isCustom: isCustom, provider: item.provider)
        add([Conversation.Part(content: .call(toolCall), origin: Conversation.Origin(item: index, member: ""))])
        results.append(result(items[output], at: output, callIDs[call]))
    }

    private mutating func takeResult(at index: Int) {
        closeAnswer()
        guard let call = pairs.callOfOutput[index] else { return }
        // Results of our own calls were placed behind the calls. A chat client's pairs stay in their order.
        if items[pairs.calls[call].item].chatMessage != nil { turns.append(result(items[index], at: index, callIDs[call])) }
    }

    private mutating func takeMessage(_ item: Item, at index: Int) {
        if let message = item.chatMessage {
            closeAnswer()
            let first = callOfItem[index] ?? 0
            var turn = Conversation.Turn(chatMessage: message, at: index, callIDs: callIDs[first...])
            noteInterruption(in: &turn)
            turns.append(turn)
            return
        }
        let role = item.role.flatMap(Conversation.Turn.Role.init(rawValue:)) ?? .user
        let parts = Conversation.Part.parts(item.body["content"], at: index)
        if role == .assistant {
            add(parts)
            if let provider = item.provider { add([Conversation.Part(content: .reasoning("", provider: provider))]) }
            let mark = item.body["interject"]
            let isCut = mark?["interrupted"]?.bool == true && !item.text.isEmpty
            interruption = isCut ? Conversation.Interruption(name: mark?["interrupted_by"]?.string) : nil
        } else {
            closeAnswer()
            var turn = Conversation.Turn(role: role, parts: parts, name: item.body["name"]?.string)
            noteInterruption(in: &turn)
            turns.append(turn)
        }
    }

    /// The first message after an interrupted answer reports the interruption, unless the answer continues.
    private mutating func noteInterruption(in turn: inout Conversation.Turn) {
        if turn.role == .assistant { interruption = nil }
        guard turn.role == .user else { return }
        turn.interruption = interruption
        interruption = nil
    }

    private mutating func add(_ parts: [Conversation.Part]) {
        if answer == nil { answer = Conversation.Turn(role: .assistant) }
        answer?.join(parts)
    }

    /// Ends the assistant message and appends the results of its calls.
    private mutating func closeAnswer() {
        if let answer, answer.hasContent { turns.append(answer) }
        answer = nil
        turns += results
        results = []
    }

    private func result(_ item: Item, at index: Int, _ callID: String) -> Conversation.Turn {
        var turn: Conversation.Turn
        if let message = item.chatMessage {
            turn = Conversation.Turn(chatMessage: message, at: index, callIDs: [])
            if message["tool_call_id"] != nil, message["tool_call_id"]?.string != callID {
                var object = message.object ?? [:]
                object["tool_call_id"] = .string(callID)
                turn.verbatim = .object(object)
            }
        } else {
            turn = Conversation.Turn(role: .tool, parts: Conversation.Part.parts(item.body["output"], at: index, member: "output"))
        }
        turn.role = .tool
        turn.callID = callID
        return turn
    }
}

extension Conversation.Turn {
    /// A message of a Chat Completions request, retained verbatim and also parsed, for dialects with another form.
    /// - Parameter callIDs: unique identifiers of its calls.
    init(chatMessage message: JSONValue, at index: Int, callIDs: ArraySlice<String>) {
        role = message["role"]?.string.flatMap(Role.init(rawValue:)) ?? .user
        if role == .assistant { parts = Conversation.Part.reasoning(ofChatMessage: message) }
        parts += Conversation.Part.parts(message["content"], at: index)
        if role == .assistant, let refusal = message["refusal"]?.string, !refusal.isEmpty { parts.append(.text(refusal)) }
        for (call, id) in zip(Self.calls(message), callIDs) {
            var call = call
            call.id = id
            parts.append(
                Conversation.Part(content: .call(call), origin: Conversation.Origin(item: index, member: ".tool_calls")))
        }
        // `cache_control` beside the content applies to all of it.
        if let mark = message["cache_control"], !mark.isNull, !parts.isEmpty { parts[parts.count - 1].cacheControl = mark }
        name = role == .user ? message["name"]?.string : nil
        callID = message["tool_call_id"]?.string
        verbatim = message
    }

    /// Tool calls of an assistant message, including the deprecated `function_call`.
    private static func calls(_ message: JSONValue) -> [Conversation.ToolCall] {
        let calls = (message["tool_calls"]?.array ?? []).map { call in
            let isCustom = call["custom"] != nil
            let inner = call["function"] ?? call["custom"]
            return Conversation.ToolCall(
                id: "", name: inner?["name"]?.string ?? "", input: inner?[isCustom ? "input" : "arguments"]?.string ?? "",
                isCustom: isCustom)
        }
        guard calls.isEmpty, let call = message["function_call"], let name = call["name"]?.string else { return calls }
        return [Conversation.ToolCall(id: "", name: name, input: call["arguments"]?.string ?? "")]
    }
}
