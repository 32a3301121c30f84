/// Speaking, cutting in and cancelling: each in one iteration of the loop.
extension Session {
    /// Takes an input in. When it returns, the input stands in the log, what it interrupts is closed, and what answers has begun
    /// (or waits its turn).
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

    /// Answers an input beside the conversation, whatever runs in it: nothing of it is remembered, and the response has a log of its own.
    /// - Parameter items: what the model reads before the input; nil: the conversation as it stands.
    /// - Throws: ``SessionError/tooManyQueuedInputs(limit:)`` when as many run beside it as may wait.
    public func answerBeside(_ input: Input, reading items: [Item]? = nil) throws(SessionError) -> OutOfBandResponse {
        if isClosed || isSuspended { throw .sessionClosed }
        return try queue.answerBeside(input, reading: items ?? self.items)
    }

    /// Cancels the running response, or a given one that runs or waits.
    /// - Returns: the response as it ended.
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
        /// The server stops.
        case shutdown
        /// The server was started again, and nobody was to hear the answer.
        case restart
        /// The input could not be committed, and its sender was told so.
        case storageUnavailable = "storage_unavailable"
    }

    /// Drops the inputs that wait.
    public func dropQueued() { queue.dropWaiting() }

    /// Cancels the responses beside the conversation.
    public func cancelBeside() { queue.cancelBeside() }

    /// Goes on with what had not ended when the process did, each by its disconnect policy: `continue` goes on where it was, `grace`
    /// waits for a listener as long as it says, `cancel` is closed with what it had said. Call once, before anybody reads.
    public func recover() {
        leaveAllFromBefore()
        queue.recover()
    }

    /// Somebody follows the session again, or asks what comes next: what waited for that since the restart goes on.
    public func listenerReturned() { queue.listenerReturned() }
}
