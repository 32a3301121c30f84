import JSON

/// Pairs tool calls with their results in a conversation.
///
/// Identifiers alone are ambiguous: many servers count their calls from 0 in each reply, so that an identifier recurs in a later
/// reply, or occurs twice in one. A result belongs to the nearest preceding reply with an open call of its identifier, and there to
/// the first.
public struct ToolPairs {
    /// A tool call.
    public struct Call {
        /// Index of its item.
        public let item: Int
        /// Index among the calls of its item: above 0 only in Chat Completions messages.
        public let position: Int
        /// The identifier used by model and client; not unique.
        public let callID: String
        /// Index of the item with its result; nil while open.
        public fileprivate(set) var output: Int?
        /// Shared by the calls of one reply.
        fileprivate let answer: Int
    }

    /// Identifies a call independently of item indices.
    struct AnsweredCall: Equatable {
        let itemID: String
        /// See ``Call/position``.
        let position: Int
        let callID: String
    }

    /// In conversation order.
    public private(set) var calls: [Call] = []
    /// Index of a result's item → index of its call in ``calls``.
    public private(set) var callOfOutput: [Int: Int] = [:]
    /// Indices of results without a call.
    public private(set) var orphans: [Int] = []

    private var open: [String: [Int]] = [:]
    private var answer = 0
    private var endsAnswer = false

    /// Pairs the calls and results of `items`. O(n).
    public init(_ items: [Item]) {
        for (index, item) in items.enumerated() { take(item, at: index) }
    }

    /// The call that each result answers, by the identifier of the result's item.
    /// - Parameter items: the same items as in the initializer.
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
    /// Identifiers of the tool calls in the item that can be answered; incomplete ones cannot.
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

    /// Identifier of the tool call that the item answers; nil if it is not a result.
    fileprivate var answeredCall: String? {
        switch type {
        case "function_call_output", "custom_tool_call_output": body["call_id"]?.string ?? ""
        default: nil
        }
    }

    /// Identifier for a deprecated Chat Completions `function_call`, which has none.
    public static func functionCallID(_ name: String) -> String { "function:" + name }
}
