import JSON

/// The results of tool calls, in inputs that take their position in the conversation now or later.
extension ResponseQueue {
    /// Refuses an input with a tool's result that has no call before it in the conversation as it will stand when the input takes its
    /// position.
    ///
    /// A queued input stands behind all that the running response says and behind the inputs that wait. An input that interrupts stands
    /// before those that wait, and behind what was cut: calls that were being written cannot be answered.
    /// - Throws: ``SessionError/resultWithoutCall(callID:index:)``.
    func checkResults(in new: [Item], mode: InterjectionMode) throws(SessionError) {
        switch mode {
        case .queue, .reject: try conversation.checkResults(in: new, behind: expectedCalls + waiting.flatMap(\.input))
        case .interrupt, .steer: try conversation.checkResults(in: new, behind: finishedCalls)
        case .rollback: try conversation.checkResults(in: new, behind: [])
        }
    }

    /// Cancels inputs that wait with the result of a call that the conversation no longer gets, or that was answered by others: no model
    /// would read the result, and their senders learn why none answers.
    /// - Parameter next: what is about to enter the conversation before them.
    func cancelWaitingResultsWithoutCall(behind next: [Item] = []) {
        guard waiting.contains(where: { $0.input.contains(where: \.isToolResult) }) else { return }
        var before = expectedCalls + next
        for generation in waiting {
            do throws(SessionError) {
                try conversation.checkResults(in: generation.input, behind: before)
                before += generation.input
            } catch {
                discard(generation)
                emitCancelled(generation, by: nil, nil, .cancel)
            }
        }
    }

    /// The calls of the running response, those that are being written too: they are complete if it comes to its end. An input whose
    /// call is cut is cancelled then.
    private var expectedCalls: [Item] { active?.draft.items.compactMap { $0.closedAs == .incomplete ? nil : $0.call } ?? [] }

    /// The calls of the running response that stay answerable when it is cut now.
    private var finishedCalls: [Item] { active?.draft.items.compactMap { $0.closedAs == .completed ? $0.call : nil } ?? [] }
}

extension OutputItem {
    /// A call as ``ToolPairs`` reads it, complete and without its arguments; nil for other items.
    fileprivate var call: Item? {
        guard isFunctionCall else { return nil }
        let type: JSONValue = isCustomToolCall ? "custom_tool_call" : "function_call"
        return Item(id: id, body: ["type": type, "call_id": .string(head.callID)])
    }
}
