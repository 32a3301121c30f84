import JSON

/// The results of tool calls, in inputs that take their position in the conversation now or later.
extension ResponseQueue {
    /// Refuses an input with a tool result that has no preceding call in the conversation as it will be when the input enters it.
    ///
    /// A queued input comes after the whole running response and after the waiting inputs. An input that interrupts comes before
    /// those and after the part of the response that was finished: calls that were still being written cannot be answered.
    /// - Throws: ``SessionError/resultWithoutCall(callID:index:)``.
    func checkResults(in new: [Item], mode: InterjectionMode) throws(SessionError) {
        switch mode {
        case .queue, .reject: try conversation.checkResults(in: new, behind: expectedCalls + waiting.flatMap(\.input))
        case .interrupt, .steer: try conversation.checkResults(in: new, behind: finishedCalls)
        case .rollback: try conversation.checkResults(in: new, behind: [])
        }
    }

    /// Cancels waiting inputs with the result of a call that the conversation will not get, or that another result has answered: no
    /// model would read the result, and the event tells the sender why there is no response.
    /// - Parameter next: items that are about to enter the conversation before them.
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

    /// The calls of the running response, including those still being written, which will be complete if it is not interrupted. If
    /// it is, a waiting input with the result of an incomplete call is cancelled.
    private var expectedCalls: [Item] { active?.draft.items.compactMap { $0.closedAs == .incomplete ? nil : $0.call } ?? [] }

    /// The calls of the running response that could still be answered if it were cut off now.
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
