/// Inputs, interruptions and cancels: each within one iteration of the loop.
extension Session {
    /// Accepts an input. On return the input is in the log, the interrupted response is closed, and the new one has begun or is
    /// waiting.
    public func submit(_ input: Input) throws(SessionError) -> Acceptance {
        if isClosed || isSuspended { throw .sessionClosed }
        guard let steered = steeredPredecessor(of: input) else { return try take(input) }
        var whole = input
        whole.items = steered.pendingSteers.flatMap(\.items) + input.items
        let acceptance = try take(whole)
        takeSteers(of: steered, for: acceptance.generation)
        return acceptance
    }

    private func take(_ input: Input) throws(SessionError) -> Acceptance {
        if let steer = input.steer, active?.id != steer.responseID {
            throw .responseNotActive(responseID: steer.responseID)
        }
        let mode = input.steer != nil ? .steer : input.mode ?? defaultMode
        try checkIdentifiers(of: input.items, keepsActive: mode != .rollback)
        try queue.checkResults(in: input.items, mode: mode)
        try conversation.checkRoom(for: input.items, waitingByteCount: queue.waitingByteCount)
        return try queue.take(input, mode: mode)
    }

    /// Responds to an input beside the conversation, whatever runs in it: neither becomes part of it, and the response has a log of
    /// its own.
    /// - Parameter items: items that precede the input in the prompt; nil for the current conversation.
    /// - Throws: ``SessionError/tooManyQueuedInputs(limit:)`` if as many responses run beside it as inputs may wait.
    public func answerBeside(_ input: Input, reading items: [Item]? = nil) throws(SessionError) -> OutOfBandResponse {
        if isClosed || isSuspended { throw .sessionClosed }
        return try queue.answerBeside(input, reading: items ?? self.items)
    }

    /// Cancels the running response, or a given one that runs or waits.
    /// - Returns: the cancelled response.
    @discardableResult
    public func cancel(
        responseID: String? = nil, by participant: Participant?, clientEventID: String? = nil, reason: CancelReason = .cancel
    ) throws(SessionError) -> Generation {
        if isClosed { throw .sessionClosed }
        return try queue.cancel(responseID: responseID, by: participant, clientEventID, reason)
    }

    /// Why a response was cancelled: `reason` of `interject:cancelled`.
    public enum CancelReason: String, Sendable {
        case cancel, disconnect
        /// The server is stopping.
        case shutdown
        /// The server was restarted, and no client was to receive the response.
        case restart
        /// The input could not be committed, and its sender was told so.
        case storageUnavailable = "storage_unavailable"
    }

    /// Drops the waiting inputs.
    public func dropQueued() { queue.dropWaiting() }

    /// Cancels the responses beside the conversation.
    public func cancelBeside() { queue.cancelBeside() }

    /// Resumes unfinished responses after a restart, each by its disconnect policy: `continue` resumes, `grace` waits for a
    /// listener within the period, `cancel` is closed with its output so far. Must be called once, before any cursor is attached.
    public func recover() {
        leaveAllFromBefore()
        queue.recover()
    }

    /// A client follows the session again, or polls: resumes what has waited for one since a restart.
    public func listenerReturned() { queue.listenerReturned() }
}
