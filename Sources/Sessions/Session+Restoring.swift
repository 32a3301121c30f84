import JSON

/// Making a session again from what was kept of it.
extension Session {
    /// What the session is made of.
    public var record: SessionRecord {
        SessionRecord(
            id: id, owner: owner, createdAt: createdAt, defaults: defaults, mode: defaultMode, policy: defaultPolicy,
            metadata: metadata, forkedFrom: forkedFrom)
    }

    /// Goes on with what had not ended when the process did: what is to be made although nobody listens goes on where it was;
    /// what was for a listener is closed with what it had said. Call once, before anybody reads.
    public func recover() {
        for name in joinedParticipants { leaveAfterRestart(name) }
        let waiting = queued
        queued = []
        for generation in waiting {
            if generation.policy == .continuing {
                queued.append(generation)
            } else {
                discard(generation)
                emitCancelled(generation, by: nil, nil, .restart)
            }
        }
        if let running = active {
            if running.policy == .continuing {
                running.goOn(conversation: items)
                if !running.status.isTerminal { log.keep(.response(GenerationRecord(running))) }
            } else {
                running.stop(.incomplete(.serverRestarted))
                retire(running)
            }
        }
        startNextQueued()
    }

    /// Those who had joined and, with the process, lost their connection.
    private var joinedParticipants: [JSONValue] {
        var joined: [(id: String, participant: JSONValue)] = []
        var position = log.oldestSequence - 1
        while position < log.lastSequence {
            let event = log.event(after: position)
            position = event.sequence
            guard event.type == .participantJoined || event.type == .participantLeft,
                let participant = (try? JSONValue.parse(event.payload, limits: .own))?["participant"],
                let id = participant["id"]?.string
            else { continue }
            joined.removeAll { $0.id == id }
            if event.type == .participantJoined { joined.append((id, participant)) }
        }
        return joined.map(\.participant)
    }

    private func leaveAfterRestart(_ participant: JSONValue) {
        append(.participantLeft) { $0.field("participant", participant) }
    }
}

extension GenerationRecord {
    init(_ generation: Generation) {
        self.init(
            id: generation.id, createdAt: generation.createdAt, completedAt: generation.completedAt,
            parameters: generation.parameters, previousResponseID: generation.previousResponseID, policy: generation.policy,
            input: generation.input, output: generation.output, status: generation.status, usage: generation.usage,
            deltaCount: generation.deltaCount, conversationItemCount: generation.conversationItemCount,
            firstSequence: generation.firstSequence, eventCount: generation.eventCount,
            continuesLastMessage: generation.continuesLastMessage, route: generation.route,
            verdict: generation.verdict, steps: generation.steps)
    }
}
