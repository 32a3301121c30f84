import Bytes
public import JSON

/// Speaking, cutting in and cancelling: each one turn of the loop.
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
        try checkResults(in: input.items, keepsActive: mode != .rollback)
        let waitingByteCount = queued.reduce(0) { $0 + $1.input.reduce(0) { $0 + $1.byteCount } }
        let newByteCount = input.items.reduce(0) { $0 + $1.byteCount }
        guard conversationByteCount + waitingByteCount + newByteCount <= limits.maxConversationBytes else {
            throw .conversationTooLarge(limitBytes: limits.maxConversationBytes)
        }
        guard let running = active else { return begin(input, mode: nil, interrupted: nil) }
        switch mode {
        case .reject: throw .responseInProgress(responseID: running.id)
        case .queue: return try enqueue(input)
        case .interrupt, .steer, .rollback:
            if let steer = input.steer { emitSteerAccepted(steer, of: running) }
            let continues = mode == .steer && running.endsInText
            running.interrupterName = input.participant?.name ?? input.items.first?.body["name"]?.string
            let interrupted = interrupt(running, mode: mode)
            return begin(input, mode: mode, interrupted: interrupted, continues: continues)
        }
    }

    /// Cancels the running response, or a given one that runs or waits.
    /// - Returns: the response as it ended.
    @discardableResult
    public func cancel(
        responseID: String? = nil, by participant: Participant?, clientEventID: String? = nil, reason: CancelReason = .cancel
    ) throws(SessionError) -> Generation {
        if isClosed { throw .sessionClosed }
        if let responseID, let index = queued.firstIndex(where: { $0.id == responseID }) {
            let waiting = queued.remove(at: index)
            discard(waiting)
            emitCancelled(waiting, by: participant, clientEventID, reason)
            return waiting
        }
        guard let running = active else {
            if let responseID { throw .responseNotActive(responseID: responseID) }
            throw .noActiveResponse
        }
        if let responseID, running.id != responseID { throw .responseNotActive(responseID: responseID) }
        running.interrupterName = participant?.name
        running.stop(.cancelled)
        host.interrupted(running)
        retire(running)
        emitCancelled(running, by: participant, clientEventID, reason)
        startNextQueued()
        return running
    }

    /// Why a response was cancelled: `reason` of `interject:cancelled`.
    public enum CancelReason: String, Sendable {
        case cancel, disconnect
        /// The server stops.
        case shutdown
        /// The server was started again, and nobody was to hear the answer.
        case restart
        /// The input could not be kept, and its sender was told so.
        case storageUnavailable = "storage_unavailable"
    }

    /// Drops the inputs that wait.
    public func dropQueued() {
        let waiting = queued
        queued = []
        for generation in waiting {
            discard(generation)
            emitCancelled(generation, by: nil, nil, .cancel)
        }
    }

    // MARK: Called by the generation

    /// The model came to its end, or failed.
    func generationEnded(_ generation: Generation) {
        retire(generation)
        startNextQueued()
    }

    // MARK: Disconnects

    /// The last one who listened is gone: each generation goes by its own policy.
    func applyDisconnectPolicies() {
        if isClosed { return }
        endGrace()
        // What waits for a listener since the restart has a grace of its own.
        let unheard = (queued + [active].compactMap { $0 }).filter { !$0.awaitsListener }
        var durations: Set<Duration> = []
        for case .grace(let duration) in unheard.map(\.policy) { durations.insert(duration) }
        for duration in durations {
            let overdue = unheard.filter { $0.policy == .grace(duration) }
            graceCancellations.append(host.schedule(after: duration) { [weak self] in self?.cancelUnheard(overdue) })
        }
        cancelUnheard(unheard.filter { $0.policy == .cancel })
    }

    func endGrace() {
        for cancel in graceCancellations { cancel() }
        graceCancellations = []
    }

    /// Those that wait first, so that none of them begins when the running one ends.
    private func cancelUnheard(_ generations: [Generation]) {
        for generation in generations where !generation.status.isTerminal {
            _ = try? cancel(responseID: generation.id, by: nil, reason: .disconnect)
        }
    }

    // MARK: Steps

    private func interrupt(_ running: Generation, mode: InterjectionMode) -> Interrupted {
        var interrupted = Interrupted(
            responseID: running.id, itemID: running.partialItemID, outputText: running.partialText,
            outputTokens: running.deltaCount)
        interrupted.cut = running.cut
        interrupted.header = running.header
        switch mode {
        case .steer: running.stop(.incomplete(.steered))
        case .rollback: running.stop(.cancelled)
        case .interrupt, .queue, .reject: running.stop(.incomplete(.interrupted))
        }
        host.interrupted(running)
        if mode == .rollback {
            let dropped = running.output.map(\.id)
            running.conversationItemCount = items.count
            log.store(.response(GenerationRecord(running)))
            active = nil
            append(.rolledBack) { body in
                body.append(optional: running.id)
                body.append(itemIDs: dropped)
            }
        } else {
            retire(running)
        }
        return interrupted
    }

    /// Takes what a response said into the conversation.
    func retire(_ generation: Generation) {
        guard active === generation else { return }
        remember(generation.output)
        generation.conversationItemCount = items.count
        log.store(.response(GenerationRecord(generation)))
        active = nil
        // Its last event carried all that was said; an idle session keeps no buffer of that size.
        scratch.clear(keepingCapacity: Self.idleScratchByteCount)
    }

    private func begin(
        _ input: Input, mode: InterjectionMode?, interrupted: Interrupted?, continues: Bool = false
    ) -> Acceptance {
        let generation = makeGeneration(input, continues: continues)
        let sequence = emitAccepted(input, mode: mode, interrupted: interrupted, generation)
        start(generation)
        return Acceptance(sequence: sequence, mode: mode, generation: generation, interrupted: interrupted)
    }

    /// Takes items into the conversation.
    func remember(_ new: [Item]) {
        if new.isEmpty { return }
        log.store(.remembered(new, position: items.count))
        items += new
        let byteCount = new.reduce(0) { $0 + $1.byteCount }
        conversationByteCount += byteCount
        onAppend?(byteCount)
    }

    private func enqueue(_ input: Input) throws(SessionError) -> Acceptance {
        guard queued.count < limits.maxQueuedInputs else { throw .tooManyQueuedInputs(limit: limits.maxQueuedInputs) }
        let generation = makeGeneration(input, continues: false)
        queued.append(generation)
        log.store(.response(GenerationRecord(generation)))
        let sequence = emitAccepted(input, mode: .queue, interrupted: nil, generation)
        return Acceptance(sequence: sequence, mode: .queue, generation: generation, interrupted: nil)
    }

    private func makeGeneration(_ input: Input, continues: Bool) -> Generation {
        newestOrdinal += 1
        let header = ResponseHeader(
            input.responseID ?? Identifier.make("resp_"), sessionID: id, ordinal: newestOrdinal, createdAt: host.unixTime,
            parameters: input.parameters, policy: input.policy, previousResponseID: input.previousResponseID)
        let generation = Generation(
            header, session: self, input: input.items, continuesLastMessage: continues, keyID: input.keyID)
        generation.isWarmUp = input.isWarmUp
        generations.append(generation)
        countSettings(generation.parameters.byteCount)
        if generations.count > limits.maxResponses, let index = generations.firstIndex(where: \.status.isTerminal) {
            let forgotten = generations.remove(at: index)
            countSettings(-forgotten.parameters.byteCount)
            host.forgot(responseID: forgotten.id)
        }
        return generation
    }

    private func start(_ generation: Generation) {
        remember(generation.input)
        if generation.previousResponseID == nil { generation.previousResponseID = latest?.id ?? forkedFrom }
        latest = generation
        active = generation
        generation.start(conversation: items)
        if !generation.status.isTerminal { log.store(.response(GenerationRecord(generation))) }
        releaseUpstreamIfOneKeepsUp()
        if generation.isWarmUp {
            retire(generation)
            startNextQueued()
        }
    }

    func startNextQueued() {
        // A generation may end within its start; its end comes here again.
        guard active == nil, !isClosed, !isSuspended, !queued.isEmpty else { return }
        start(queued.removeFirst())
    }

    func discard(_ waiting: Generation) {
        waiting.cancelQueued()
        waiting.conversationItemCount = items.count
        log.store(.response(GenerationRecord(waiting)))
    }

    // MARK: Events

    private func emitSteerAccepted(_ steer: Input.Steer, of running: Generation) {
        append(.steerAccepted, of: running) { body in
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
            encoded.withUnsafeBytes { append(.inputAccepted, json: $0, naming: interrupted?.header, writeRest) }
        } else {
            append(.inputAccepted, naming: interrupted?.header) { body in
                body.append(json: { $0.appendJSON(input.items) })
                writeRest(to: &body)
            }
        }
        return log.lastPosition
    }

    func emitCancelled(
        _ generation: Generation, by participant: Participant?, _ clientEventID: String?, _ reason: CancelReason
    ) {
        append(.cancelled) { body in
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

extension CutResponse {
    func write(to body: inout ByteBuffer) {
        body.append(counted: responseID)
        body.append(varint: itemIndex + 1)
        body.append(varint: messageIndex + 1)
        body.append(varint: outputTokens)
    }
}

extension Interrupted {
    public func write(to writer: inout JSONObjectWriter) {
        writer.field("response_id", responseID)
        writer.field("item_id", itemID)
        writer.field("output_text", outputText)
        writer.field("output_tokens", outputTokens)
    }
}
