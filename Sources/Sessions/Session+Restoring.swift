import JSON

/// Making a session again from what was kept of it.
extension Session {
    /// What the session is made of.
    public var record: SessionRecord {
        SessionRecord(
            id: id, owner: owner, createdAt: createdAt, defaults: defaults, mode: defaultMode, policy: defaultPolicy,
            metadata: metadata, forkedFrom: forkedFrom)
    }

    /// Goes on with what had not ended when the process did, each by its disconnect policy: `continue` goes on where it was, `grace`
    /// waits for a listener as long as it says, `cancel` is closed with what it had said. Call once, before anybody reads.
    public func recover() {
        for participant in joinedParticipants { append(.participantLeft) { participant.write(to: &$0) } }
        for generation in queued where generation.policy == .cancel { closeUnheard(generation) }
        // What was whole has heard its model, and needs no listener to end.
        if let running = active, running.conclusion == nil {
            running.countCutAttempt()
            switch running.policy {
            case .continuing: goOn(running)
            case .grace: break
            case .cancel: closeUnheard(running)
            }
        }
        awaitListener()
        active?.goOnEnding()
        startNextQueued()
    }

    /// Somebody follows the session again, or asks what comes next: what waited for that since the restart goes on.
    public func listenerReturned() {
        if isClosed || isSuspended { return }
        endRestartGraces()
        for generation in queued { generation.awaitsListener = false }
        guard let running = active, running.awaitsListener else { return }
        running.awaitsListener = false
        goOn(running)
        startNextQueued()
    }

    func endRestartGraces() {
        for cancel in restartGraces { cancel() }
        restartGraces = []
    }

    private func goOn(_ running: Generation) {
        running.goOn(conversation: items)
        if !running.status.isTerminal { log.store(.response(GenerationRecord(running))) }
    }

    /// The grace of each begins when the server is there again: while it was not, nobody could have come back.
    private func awaitListener() {
        var waiting: [Duration: [Generation]] = [:]
        for generation in queued + [active].compactMap({ $0 }) {
            guard case .grace(let duration) = generation.policy, generation.conclusion == nil else { continue }
            generation.awaitsListener = true
            waiting[duration, default: []].append(generation)
        }
        for (duration, generations) in waiting {
            restartGraces.append(
                host.schedule(after: duration) { [weak self] in
                    // Those that wait their turn first, so that none of them begins when the active one ends.
                    for generation in generations where generation.awaitsListener { self?.closeUnheard(generation) }
                    self?.startNextQueued()
                })
        }
    }

    /// Nobody is there, or nobody came back, to hear the rest.
    private func closeUnheard(_ generation: Generation) {
        generation.awaitsListener = false
        if let index = queued.firstIndex(where: { $0 === generation }) {
            queued.remove(at: index)
            discard(generation)
            emitCancelled(generation, by: nil, nil, .restart)
        } else if active === generation {
            generation.stop(.incomplete(.serverRestarted))
            retire(generation)
        }
    }

    /// Those who had joined and, with the process, lost their connection.
    private var joinedParticipants: [Participant] {
        var joined: [Participant] = []
        var place = log.place(after: log.oldestPosition - 1)
        while let event = log.next(&place) {
            guard event.kind == .participantJoined || event.kind == .participantLeft, let participant = event.participant else {
                continue
            }
            joined.removeAll { $0.id == participant.id }
            if event.kind == .participantJoined { joined.append(participant) }
        }
        return joined
    }
}

extension GenerationRecord {
    init(_ generation: Generation) {
        self.init(
            id: generation.id, ordinal: generation.header.ordinal, createdAt: generation.createdAt,
            completedAt: generation.completedAt,
            parameters: generation.parameters, previousResponseID: generation.previousResponseID, policy: generation.policy,
            input: generation.input, output: generation.output, status: generation.status, usage: generation.usage,
            deltaCount: generation.deltaCount, conversationItemCount: generation.conversationItemCount,
            firstSequence: generation.firstSequence, eventCount: generation.eventCount,
            continuesLastMessage: generation.continuesLastMessage, route: generation.route,
            verdict: generation.verdict, steps: generation.steps, pendingSteers: generation.pendingSteers, spent: generation.spent,
            promptByteCount: generation.promptByteCount, keyID: generation.keyID, conclusion: generation.conclusion)
    }
}
