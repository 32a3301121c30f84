import JSON

/// Inputs and steers.
extension Session {
    func take(_ command: SessionCommand.Submit, _ cursor: Cursor?) throws(SessionError) -> SessionOutcome.Accepted {
        var input = try input(of: command)
        if let refusal = host.refusal(of: input.parameters) { throw refusal }
        guard let continuation = command.continuation else { return try take(input, of: command, cursor) }
        guard let previous = generation(continuation.previousResponseID) else {
            throw .previousResponseNotFound(continuation.previousResponseID)
        }
        input.previousResponseID = previous.id
        guard needsBranch(at: previous, continuation) else { return try take(input, of: command, cursor) }
        guard let items = conversation(upTo: previous) else { throw .previousResponseNotFound(previous.id) }
        // Steers pending at the response that the branch begins with belong to the branch.
        if !previous.pendingSteers.isEmpty { input.items = previous.pendingSteers.flatMap(\.items) + input.items }
        let branch = host.makeBranch(
            of: self, at: previous, items, defaults: input.parameters, isStored: continuation.isStored,
            isDurable: continuation.isDurable)
        let standing = command.withStanding ? SessionStanding(branch) : nil
        let acceptance: Acceptance
        do throws(SessionError) {
            acceptance = try branch.take(input, cursor)
        } catch {
            host.forget(branch)
            throw error
        }
        takeSteers(of: previous, for: acceptance.generation)
        return Accepted(acceptance, in: branch, withObject: command.withObject, standing: standing)
    }

    private func take(
        _ input: Input, of command: SessionCommand.Submit, _ cursor: Cursor?
    ) throws(SessionError) -> Accepted {
        let standing = command.withStanding ? SessionStanding(self) : nil
        return Accepted(try take(input, cursor), in: self, withObject: command.withObject, standing: standing)
    }

    /// Whether the input must continue on a branch.
    ///
    /// The conversation may have moved on from the response: through one deleted since, or through added items. Input that must not
    /// be stored goes to a branch of its own, and so does stored input that follows unstored.
    private func needsBranch(at previous: Generation, _ continuation: SessionCommand.Submit.Continuation) -> Bool {
        let wentOn = previous.conversationItemCount.map { $0 != items.count } ?? false
        return generations.last !== previous || wentOn || !host.isDurable(self, asAsked: continuation.isDurable)
    }

    /// - Parameter cursor: gets all events that the input causes; a refusal leaves no trace of it.
    private func take(_ input: Input, _ cursor: Cursor?) throws(SessionError) -> Acceptance {
        if let cursor { try audience.enter(cursor, after: log.lastPosition) }
        var input = input
        // Before the events are delivered: a reader may request the response as soon as it sees the identifier.
        input.keyID = host.willTake(responseID: input.responseID ?? "", into: self)
        let acceptance: Acceptance
        do throws(SessionError) {
            acceptance = try submit(input)
        } catch {
            if let cursor { audience.withdraw(cursor) }
            host.forgot(responseID: input.responseID ?? "")
            throw error
        }
        host.took(acceptance.generation)
        if let cursor { audience.begin(cursor) }
        return acceptance
    }

    private func input(of command: SessionCommand.Submit) throws(SessionError) -> Input {
        let parameters: ResponseParameters
        switch command.parameters {
        case .whole(let whole): parameters = whole
        case .overDefaults(let model, let instructions, let members, let firstModel):
            guard let model = model ?? (defaults.model.isEmpty ? firstModel : defaults.model) else { throw .missingModel }
            var merged = defaults.members
            for (key, value) in members { merged[key] = value }
            parameters = ResponseParameters(
                model: model, instructions: instructions ?? defaults.instructions, members: merged)
        }
        var input = Input(
            items: command.new.items, mode: command.mode, parameters: parameters, policy: command.policy ?? defaultPolicy)
        input.encoded = command.new.encoded
        input.responseID = command.responseID
        input.clientEventID = command.clientEventID
        input.isWarmUp = command.isWarmUp
        switch command.speaker {
        case nil: break
        case .participant(let participant)?: input.participant = participant
        case .guest(let name)?: input.participant = guest(named: name)
        }
        if let speaker = input.participant, speaker.name != command.itemsSpeaker {
            input.items = input.items.map { $0.spoken(by: speaker) }
        }
        return input
    }

    func take(_ command: SessionCommand.Steer, _ cursor: Cursor?) throws(SessionError) -> SessionOutcome {
        let target = try known(command.steer.responseID)
        if active === target {
            var input = Input(
                items: command.items, mode: .steer, parameters: target.parameters, policy: command.policy ?? target.policy)
            input.steer = command.steer
            input.responseID = command.successorID
            do throws(SessionError) {
                return .accepted(Accepted(try take(input, cursor), in: self, withObject: false, standing: nil))
            } catch {
                throw .successorRefused(error)
            }
        }
        guard case .completed = target.status else { throw .responseNotActive(responseID: target.id) }
        let calls = target.output.filter { $0.type == "function_call" || $0.type == "custom_tool_call" }
            .compactMap { $0.body["call_id"]?.string }
        guard command.waitsForToolOutputs, !calls.isEmpty, generations.last === target else {
            throw .responseAlreadyCompleted(responseID: target.id)
        }
        try keep(PendingSteer(id: command.steer.id, items: command.items), for: target)
        return .steerKept(callIDs: calls)
    }

    private typealias Accepted = SessionOutcome.Accepted
}

extension SessionOutcome.Accepted {
    init(_ acceptance: Acceptance, in session: Session, withObject: Bool, standing: SessionStanding?) {
        sessionID = session.id
        responseID = acceptance.generation.id
        position = session.log.epochs.position(of: acceptance.sequence)
        mode = acceptance.mode
        interrupted = acceptance.interrupted.map {
            Interrupted(responseID: $0.responseID, itemID: $0.itemID, outputText: $0.outputText, outputTokens: $0.outputTokens)
        }
        object = withObject ? acceptance.generation.objectJSON : nil
        self.standing = standing
    }
}
