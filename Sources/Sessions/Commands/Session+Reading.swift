import JSON

/// Read commands, and the attachment of readers.
extension Session {
    func read(_ kind: SessionCommand.Kind) throws(SessionError) -> SessionOutcome {
        switch kind {
        case .readState: return .state(SessionStanding(self))
        case .readResponse(let id, let withObject):
            return .response(ResponseStanding(try known(id), in: self, withObject: withObject))
        case .readItems(.conversation, let range): return try Self.page(range, of: items)
        case .readItems(.input(let id), let range): return try Self.page(range, of: try known(id).input)
        case .readItem(let id):
            guard let item = items.last(where: { $0.id == id }) else { throw .itemNotFound(id) }
            return .items([item], hasMore: false)
        case .measurePrompt(let previous):
            guard let previous else { return .byteCount(items.promptByteCount) }
            guard let items = generation(previous).flatMap({ conversation(upTo: $0) }) else {
                throw .previousResponseNotFound(previous)
            }
            return .byteCount(items.promptByteCount)
        default: throw .unexpectedOutcome
        }
    }

    /// - Parameter items: the whole list, oldest first.
    private static func page(_ range: SessionCommand.ItemRange, of items: [Item]) throws(SessionError) -> SessionOutcome {
        let ordered = range.isAscending ? items : items.reversed()
        var start = 0
        if let after = range.after {
            // The last item with this identifier, so that paging always advances.
            guard let index = ordered.lastIndex(where: { $0.id == after }) else { throw .itemNotInList(after) }
            start = index + 1
        }
        let page = ordered[start...].prefix(max(0, range.limit))
        return .items(Array(page), hasMore: start + page.count < ordered.count)
    }

    // MARK: Readers

    func carryOut(_ command: SessionCommand.Join, _ cursor: Cursor?) throws(SessionError) -> SessionOutcome {
        let standing = SessionStanding(self)
        let start = command.after.map(log.sequence) ?? standing.state.lastPosition.sequence
        // Checked before the reader is attached: a refused join must not count as a listener that leaves.
        if command.participant != nil { try checkRoomForParticipant() }
        if let cursor { try attach(cursor, after: start) }
        if let participant = command.participant { try join(participant) }
        // An unknown position is replaced by a snapshot, so that this reader delivers everything, and nothing twice.
        let isKnown = start >= 0 && start <= standing.state.lastPosition.sequence
        return .joined(standing, after: log.epochs.position(of: isKnown ? start : 0))
    }

    func carryOut(_ command: SessionCommand.Follow, _ cursor: Cursor?) throws(SessionError) -> SessionOutcome {
        switch command {
        case .after(let position): try follow(after: log.sequence(of: position), cursor)
        case .endOfResponse(let id):
            let generation = try known(id)
            guard !generation.status.isTerminal else {
                return .response(ResponseStanding(generation, in: self, withObject: true))
            }
            try follow(after: log.lastPosition, cursor)
        case .response(let id, let after): return .following(try follow(try known(id), after: after, cursor))
        }
        return .following(.begun)
    }

    private func follow(after sequence: Int, _ cursor: Cursor?) throws(SessionError) {
        guard let cursor else { return }
        try attach(cursor, after: sequence)
        // Polling with `wait` does not make a client a listener, but shows that one has returned after a restart.
        if !cursor.listens { listenerReturned() }
    }

    /// - Parameter after: the last `sequence_number` that the client has, with its epoch.
    private func follow(
        _ generation: Generation, after: LogPosition, _ cursor: Cursor?
    ) throws(SessionError) -> SessionOutcome.Following {
        let epochs = log.epochs
        guard epochs.contains(after.epoch) else { throw .eventsExpired(responseID: generation.id) }
        let first = generation.firstSequence ?? log.lastPosition + 1
        let isCut = epochs.epoch(of: first) != epochs.current
        if after.sequence >= generation.eventCount, isCut || generation.status.isTerminal {
            // The log never had such an event. Of one that was cut, the client may have seen another end.
            throw .eventsExpired(responseID: generation.id)
        }
        if !isCut, generation.status.isTerminal, after.sequence == generation.eventCount - 1 {
            // A client that has seen the end comes back: there is nothing to wait for.
            return .ended
        }
        try follow(after: position(before: generation, after: after.sequence), cursor)
        return isCut && after.sequence >= 0 ? .unverified : .begun
    }

    /// The position at which reading of a response begins.
    /// - Parameter after: the last `sequence_number` that the client has.
    private func position(before generation: Generation, after: Int) -> Int {
        let first = generation.firstSequence ?? log.lastPosition + 1
        // The events that the client has may be gone.
        if !log.canProvideAll(after: first - 1), log.holdsAll(of: generation.header, afterResponseSequence: after) {
            return log.oldestPosition - 1
        }
        return first - 1
    }
}

extension Item {
    /// Approximate size of the text that a model reads, in bytes.
    public var promptByteCount: Int {
        text.utf8.count + (body["arguments"]?.string?.utf8.count ?? 0) + (body["output"]?.string?.utf8.count ?? 0)
    }
}

extension [Item] {
    fileprivate var promptByteCount: Int { reduce(0) { $0 + $1.promptByteCount } }
}
