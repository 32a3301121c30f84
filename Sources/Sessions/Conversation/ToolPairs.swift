import JSON

/// Which result answers which tool call of a conversation.
///
/// Identifiers alone do not tell: many servers count their calls from 0 in each answer, so that an identifier comes again in a
/// later turn, or twice in one answer. A result belongs to the nearest answer before it that has an open call of its identifier,
/// and there to the first one.
public struct ToolPairs {
    /// One call.
    public struct Call {
        /// Index of the item that holds it.
        public let item: Int
        /// Index among the calls of that item: more than 0 only in messages of Chat Completions.
        public let position: Int
        /// As the model and the client name it; not unique.
        public let callID: String
        /// Index of the item that answers it; nil while it is open.
        public fileprivate(set) var output: Int?
        /// Calls of one answer share it.
        fileprivate let answer: Int
    }

    /// A call by what stays when items move.
    struct AnsweredCall: Equatable {
        let itemID: String
        /// See ``Call/position``.
        let position: Int
        let callID: String
    }

    /// In the order of the conversation.
    public private(set) var calls: [Call] = []
    /// Index of a result's item → index of its call in ``calls``.
    public private(set) var callOfOutput: [Int: Int] = [:]
    /// Items that are results of no call, by index.
    public private(set) var orphans: [Int] = []

    private var open: [String: [Int]] = [:]
    private var answer = 0
    private var endsAnswer = false

    /// O(n) in the items.
    public init(_ items: [Item]) {
        for (index, item) in items.enumerated() { take(item, at: index) }
    }

    /// The call that each result answers, by the identifier of the result's item.
    /// - Parameter items: those that the pairs were made of.
    func answers(in items: [Item]) -> [String: AnsweredCall] {
        var answers: [String: AnsweredCall] = [:]
        for (output, call) in callOfOutput {
            let call = calls[call]
            answers[items[output].id] = AnsweredCall(itemID: items[call.item].id, position: call.position, callID: call.callID)
        }
        return answers
    }

    private mutating func take(_ item: Item, at index: Int) {
        let made = item.calls
        if !made.isEmpty {
            if endsAnswer { answer += 1 }
            endsAnswer = false
            for (position, callID) in made.enumerated() {
                open[callID, default: []].append(calls.count)
                calls.append(Call(item: index, position: position, callID: callID, answer: answer))
            }
        } else if let callID = item.answeredCall {
            endsAnswer = true
            guard let call = nearestOpenCall(callID) else {
                orphans.append(index)
                return
            }
            calls[call].output = index
            callOfOutput[index] = call
        } else if item.type == "message", item.role != "assistant" {
            endsAnswer = true
        }
    }

    private mutating func nearestOpenCall(_ callID: String) -> Int? {
        guard let candidates = open[callID], let last = candidates.last else { return nil }
        let place = candidates.firstIndex { calls[$0].answer == calls[last].answer } ?? candidates.count - 1
        return open[callID]?.remove(at: place)
    }
}

extension Item {
    /// Names of the tool calls that it makes and that can be answered: those that were cut are none.
    fileprivate var calls: [String] {
        if let message = chatMessage {
            guard role == "assistant" else { return [] }
            let calls = (message["tool_calls"]?.array ?? []).map { $0["id"]?.string ?? "" }
            guard calls.isEmpty, let name = message["function_call"]?["name"]?.string else { return calls }
            return [Self.functionCallID(name)]
        }
        guard type == "function_call" || type == "custom_tool_call", status == .completed else { return [] }
        return [body["call_id"]?.string ?? ""]
    }

    /// The name of the tool call whose result it is; nil when it is none.
    fileprivate var answeredCall: String? {
        switch type {
        case "function_call_output", "custom_tool_call_output": body["call_id"]?.string ?? ""
        default: nil
        }
    }

    /// The name of a call in the form that had none, `function_call` of Chat Completions.
    public static func functionCallID(_ name: String) -> String { "function:" + name }
}
