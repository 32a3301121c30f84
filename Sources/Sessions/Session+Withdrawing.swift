/// Taking back what could not be kept in time.
extension Session {
    /// Takes an input and its response back whose sender was told that they were not kept: the response is cancelled if it runs or
    /// waits, is found no more, and what both added to the conversation is taken out of it. The log tells so when it can. What the
    /// input had interrupted stays interrupted.
    public func withdraw(responseID: String) {
        guard !isClosed, let generation = generations.last(where: { $0.id == responseID }) else { return }
        generation.isWithdrawn = true
        if !generation.status.isTerminal { _ = try? cancel(responseID: responseID, by: nil, reason: .storageUnavailable) }
        for item in generation.output + generation.input { _ = deleteItem(item.id) }
        _ = delete(responseID: responseID)
        if let taken = generation.takenSteers { taken.session?.giveBack(taken.steers, to: taken.responseID) }
    }
}
