import Bytes
public import JSON

/// Inputs, interruptions and cancels: each within one iteration of the loop.
extension ResponseQueue {
    /// Accepts an input, in one of the five modes. On return the input is in the log, the interrupted response is closed, and the
    /// new one has begun or is waiting.
    func take(_ input: Input, mode: InterjectionMode) throws(SessionError) -> Acceptance {
        guard let running = active else { return begin(input, mode: nil, interrupted: nil) }
        switch mode {
        case .reject: throw .responseInProgress(responseID: running.id)
        case .queue: return try enqueue(input)
        case .interrupt, .steer, .rollback:
            if let steer = input.steer { emitSteerAccepted(steer, of: running) }
            let continues = mode == .steer && running.draft.endsInText
            let interrupted = interrupt(running, mode: mode, by: input)
            return begin(input, mode: mode, interrupted: interrupted, continues: continues)
        }
    }

    private func begin(
        _ input: Input, mode: InterjectionMode?, interrupted: Interrupted?, continues: Bool = false
    ) -> Acceptance {
        let generation = make(input, continues: continues)
        let sequence = emitAccepted(input, mode: mode, interrupted: interrupted, generation)
        start(generation)
        return Acceptance(sequence: sequence, mode: mode, generation: generation, interrupted: interrupted)
    }

    private func enqueue(_ input: Input) throws(SessionError) -> Acceptance {
        let limit = context.limits.maxQueuedInputs
        guard waiting.count < limit else { throw .tooManyQueuedInputs(limit: limit) }
        let generation = make(input, continues: false)
        wait(generation)
        let sequence = emitAccepted(input, mode: .queue, interrupted: nil, generation)
        return Acceptance(sequence: sequence, mode: .queue, generation: generation, interrupted: nil)
    }

    private func interrupt(_ running: Generation, mode: InterjectionMode, by input: Input) -> Interrupted {
        let name = input.participant?.name ?? input.items.first?.body["name"]?.string
        var interrupted = Interrupted(
            responseID: running.id, itemID: running.draft.partialItemID, outputText: running.draft.partialText,
            outputTokens: running.deltaCount)
        interrupted.cut = running.cut
        interrupted.header = running.header
        switch mode {
        case .steer: running.stop(.incomplete(.steered), by: name)
        case .rollback: running.stop(.cancelled, by: name)
        case .interrupt, .queue, .reject: running.stop(.incomplete(.interrupted), by: name)
        }
        context.host.interrupted(running)
        if mode == .rollback {
            let dropped = running.output.map(\.id)
            drop(running)
            context.writer.append(.rolledBack) { body in
                body.append(optional: running.id)
                body.append(itemIDs: dropped)
            }
        } else {
            retire(running)
        }
        cancelWaitingResultsWithoutCall(behind: input.items)
        return interrupted
    }

    // MARK: Cancelling

    /// Cancels the active response, or a given one that runs or waits.
    /// - Returns: the cancelled response.
    @discardableResult
    func cancel(
        responseID: String?, by participant: Participant?, _ clientEventID: String?, _ reason: Session.CancelReason
    ) throws(SessionError) -> Generation {
        if let responseID, let waiting = waiting.first(where: { $0.id == responseID }) {
            discard(waiting)
            emitCancelled(waiting, by: participant, clientEventID, reason)
            cancelWaitingResultsWithoutCall()
            return waiting
        }
        guard let running = active else {
            if let responseID { throw .responseNotActive(responseID: responseID) }
            throw .noActiveResponse
        }
        if let responseID, running.id != responseID { throw .responseNotActive(responseID: responseID) }
        running.stop(.cancelled, by: participant?.name)
        context.host.interrupted(running)
        retire(running)
        emitCancelled(running, by: participant, clientEventID, reason)
        startNext()
        return running
    }

    /// Cancels a response whose input could not be committed. No effect if it has ended. The next one does not begin: the caller
    /// first deletes the items of this one from the conversation, and then calls ``startNext()``.
    func withdraw(_ generation: Generation) {
        if active === generation {
            generation.stop(.cancelled, isWithdrawn: true)
            context.host.interrupted(generation)
            retire(generation)
        } else if !discard(generation, isWithdrawn: true) {
            return
        }
        emitCancelled(generation, by: nil, nil, .storageUnavailable)
    }

    /// Cancels a response that no participant has cancelled; nothing happens to one that has ended.
    func cancelQuietly(_ generation: Generation, _ reason: Session.CancelReason) {
        if !generation.status.isTerminal { _ = try? cancel(responseID: generation.id, by: nil, nil, reason) }
    }

    /// Drops the waiting inputs.
    func dropWaiting() {
        for generation in waiting {
            discard(generation)
            emitCancelled(generation, by: nil, nil, .cancel)
        }
    }

    // MARK: Events

    private func emitSteerAccepted(_ steer: Input.Steer, of running: Generation) {
        running.emit(.steerAccepted) { body in
            body.append(counted: steer.id)
            body.append(counted: steer.responseID)
        }
    }

    private func emitAccepted(
        _ input: Input, mode: InterjectionMode?, interrupted: Interrupted?, _ generation: Generation
    ) -> Int {
        func writeRest(to body: inout ByteBuffer) {
            body.append(mode?.code ?? 0)
            body.append(counted: generation.id)
            if let cut = interrupted?.cut {
                body.append(1)
                cut.write(to: &body)
                body.append(varint: interrupted?.header?.ordinal ?? 0)
            } else {
                body.append(0)
            }
            Self.write(input.participant, input.clientEventID, to: &body)
        }
        if let encoded = input.encoded?.take() {
            encoded.withUnsafeBytes {
                context.writer.append(.inputAccepted, json: $0, naming: interrupted?.header, writeRest)
            }
        } else {
            context.writer.append(.inputAccepted, naming: interrupted?.header) { body in
                body.append(json: { $0.appendJSON(input.items) })
                writeRest(to: &body)
            }
        }
        return context.writer.log.lastPosition
    }

    func emitCancelled(
        _ generation: Generation, by participant: Participant?, _ clientEventID: String?, _ reason: Session.CancelReason
    ) {
        context.writer.append(.cancelled) { body in
            body.append(counted: generation.id)
            body.append(counted: reason.rawValue)
            Self.write(participant, clientEventID, to: &body)
        }
    }

    private static func write(_ participant: Participant?, _ clientEventID: String?, to body: inout ByteBuffer) {
        body.append(participant == nil ? 0 : 1)
        participant?.write(to: &body)
        body.append(optional: clientEventID)
    }
}

extension ResponseHeader {
    /// The header of the response to an input.
    convenience init(_ input: Input, ordinal: Int, sessionID: String, createdAt: Int) {
        self.init(
            input.responseID ?? Identifier.make("resp_"), sessionID: sessionID, ordinal: ordinal, createdAt: createdAt,
            parameters: input.parameters, policy: input.policy, previousResponseID: input.previousResponseID)
    }
}

extension GenerationRequest {
    init(_ input: Input, continuesLastMessage: Bool = false) {
        self.init(
            input: input.items, policy: input.policy, keyID: input.keyID, continuesLastMessage: continuesLastMessage,
            isWarmUp: input.isWarmUp)
    }
}

extension CutResponse {
    func write(to body: inout ByteBuffer) {
        body.append(counted: responseID)
        body.append(varint: itemIndex + 1)
        body.append(varint: messageIndex + 1)
        body.append(varint: outputTokens)
    }
}

extension Interrupted {
    /// Writes the interrupted response as the members of `interrupted`.
    public func write(to writer: inout JSONObjectWriter) {
        writer.field("response_id", responseID)
        writer.field("item_id", itemID)
        writer.field("output_text", outputText)
        writer.field("output_tokens", outputTokens)
    }
}
