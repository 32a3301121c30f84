/// Deletes responses, and withdraws those that could not be committed in time.
extension Session {
    /// Deletes a response, after cancelling it if it runs or waits; it can no longer be looked up. Its output stays in the
    /// conversation and its events in the log, whose numbers have no gaps.
    /// - Returns: false if there is no such response.
    public func delete(responseID: String) -> Bool {
        guard let generation = queue.response(responseID) else { return false }
        if !generation.status.isTerminal { _ = try? cancel(responseID: responseID, by: nil) }
        queue.forget(generation)
        return true
    }

    /// Withdraws an input and its response after the sender was told that they were not committed. The response is cancelled if it
    /// runs or waits, and can no longer be looked up. The items that both added to the conversation are deleted before the next
    /// response reads it. The log gets events of this once it can. A response that the input interrupted stays interrupted.
    public func withdraw(responseID: String) {
        guard !isClosed, let generation = queue.response(responseID) else { return }
        queue.withdraw(generation)
        for item in generation.output + generation.input { _ = deleteItem(item.id) }
        _ = delete(responseID: responseID)
        host.forgot(responseID: responseID)
        generation.steers.taken?.giveBack()
        queue.startNext()
    }
}
