/// Forgetting a response without the conversation that it is part of.
extension Session {
    /// Forgets a response: cancels it if it runs or waits, and from then on nobody finds it by its identifier. What was said stays
    /// in the conversation and its events in the log, whose numbers have no gaps.
    /// - Returns: false if there is no such response.
    public func delete(responseID: String) -> Bool {
        guard let generation = generations.last(where: { $0.id == responseID }) else { return false }
        if !generation.status.isTerminal { _ = try? cancel(responseID: responseID, by: nil) }
        generations.removeAll { $0 === generation }
        countSettings(-generation.parameters.byteCount)
        // What comes next names no predecessor that cannot be found.
        if latest === generation { latest = generations.last { $0.status != .queued } }
        log.store(.responseDeleted(responseID))
        return true
    }
}
