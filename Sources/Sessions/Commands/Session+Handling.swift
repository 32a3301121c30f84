/// Commands: each within one iteration of the session's loop.
extension Session {
    /// Performs a command.
    /// - Parameter cursor: attached as the command says, before any resulting event is delivered; detached if the command is
    ///   refused.
    public func handle(_ command: SessionCommand, following cursor: Cursor? = nil) -> SessionOutcome {
        do throws(SessionError) {
            return try carryOut(command.kind, cursor)
        } catch {
            cursor?.detach()
            return .refused(error)
        }
    }

    /// The session whose log must be committed before the outcome is reported: this one, or the branch that took an input.
    public func destination(of outcome: SessionOutcome) -> Session {
        guard case .accepted(let accepted) = outcome, accepted.sessionID != id else { return self }
        return host.session(accepted.sessionID) ?? self
    }

    /// Undoes a command that could not be committed in time: its sender is told that it failed, and sends it again. Must be called
    /// on the outcome's ``destination(of:)``.
    ///
    /// Deletions, cancels, replaced or truncated items and changed metadata stay: repeating them does no harm.
    public func withdraw(_ command: SessionCommand, _ outcome: SessionOutcome) {
        switch (command.kind, outcome) {
        case (.submit, .accepted(let accepted)), (.steer, .accepted(let accepted)): withdraw(responseID: accepted.responseID)
        case (.steer(let steer), .steerKept):
            if let target = generation(steer.steer.responseID) { withdraw(steerID: steer.steer.id, from: target) }
        case (.addItems(let new), .summary), (.insertItems(let new, _), .summary): for item in new.items { _ = deleteItem(item.id) }
        case (.join(let join), .joined): if let participant = join.participant { leave(participant) }
        default: break
        }
    }

    private func carryOut(_ kind: SessionCommand.Kind, _ cursor: Cursor?) throws(SessionError) -> SessionOutcome {
        switch kind {
        case .submit(let submit): return .accepted(try take(submit, cursor))
        case .steer(let steer): return try take(steer, cursor)
        case .cancel(let cancel): return try carryOut(cancel)
        case .addItems(let new): try add(new.items, encoded: new.encoded)
        case .insertItems(let new, let previous): try insert(new.items, after: previous, encoded: new.encoded)
        case .replaceItem(let item): try replace(with: item)
        case .truncateItem(let command): return .items([try truncate(command)], hasMore: false)
        case .deleteItem(let id): if !deleteItem(id) { throw .itemNotFound(id) }
        case .setMetadata(let metadata):
            if isClosed { throw .sessionClosed }
            setMetadata(metadata)
        case .deleteResponse(let id):
            host.willDelete(responseID: id)
            if !delete(responseID: id) { throw .responseNotFound(id) }
            return .done
        case .deleteSession:
            host.forget(self)
            return .done
        case .addSteps(let id, let steps): return try add(steps, to: try known(id))
        case .join(let join): return try carryOut(join, cursor)
        case .leave(let participant):
            leave(participant)
            return .done
        case .follow(let follow): return try carryOut(follow, cursor)
        case .readSummary: if isClosed { throw .sessionClosed }
        case .readState, .readResponse, .readItems, .readItem, .measurePrompt: return try read(kind)
        }
        return .summary(SessionSummary(self))
    }

    /// Cancels a response, on behalf of any face.
    private func carryOut(_ command: SessionCommand.Cancel) throws(SessionError) -> SessionOutcome {
        if command.dropsQueued { dropQueued() }
        let cancelled: Generation
        do throws(SessionError) {
            cancelled = try cancel(
                responseID: command.responseID, by: command.participant, clientEventID: command.clientEventID,
                reason: command.reason)
        } catch {
            guard command.answer == .objectInAnyCase, let id = command.responseID else { throw error }
            cancelled = try known(id)
        }
        if command.answer == .nothing { return .done }
        return .response(ResponseStanding(cancelled, in: self, withObject: command.answer != .standing))
    }

    private func add(_ steps: [Step], to generation: Generation) throws(SessionError) -> SessionOutcome {
        // The state before the steps, which tells the runner what response they belong to.
        let standing = ResponseStanding(generation, in: self, withObject: false)
        guard generation.isActive else { return .steps(standing, areTaken: false) }
        guard generation.hasRoom(forSteps: steps.map(\.id)) else { throw .tooManySteps(limit: Step.Limits.maxCount) }
        for step in steps { generation.step(step) }
        return .steps(standing, areTaken: true)
    }

    func generation(_ id: String) -> Generation? { queue.response(id) }

    func known(_ id: String) throws(SessionError) -> Generation {
        guard let generation = generation(id) else { throw .responseNotFound(id) }
        return generation
    }
}
