/// Readers that are behind: served from the log's memory, from its store, or with a snapshot of the state.
extension Audience {
    /// Serves a reader that is ready for more, and drops pages that no reader needs any more.
    func serve(_ cursor: Cursor) {
        catchUp(cursor)
        trimLog()
        releaseUpstreamIfOneKeepsUp()
    }

    private func catchUp(_ cursor: Cursor) {
        while cursor.state == .following {
            // The reader retains its page, and reads it even if the log has dropped it.
            guard cursor.position < log.committedPosition || cursor.position > log.lastPosition || cursor.position < 0 else {
                return
            }
            var source = EventSource.memory(
                cursor.place, upTo: log.committedPosition, mergesDeltas: cursor.catchUp.mergesDeltas)
            deliver(&source, to: cursor)
            guard cursor.state == .following else { return }
            if source.place.position > cursor.position {
                // Only events of unknown kinds.
                cursor.place = source.place
            } else if cursor.position == log.committedPosition {
                return
            } else if log.canProvideAll(after: cursor.position) {
                fetch(for: cursor)
            } else {
                replacePlace(of: cursor)
            }
        }
    }

    /// Fetches the cursor's next events, which are in the store but not in memory.
    private func fetch(for cursor: Cursor) {
        cursor.state = .awaiting
        let position = cursor.position
        log.fetch(after: position) { [weak self, weak cursor] pages in
            guard let self, let cursor, self.isAwaiting(cursor, at: position) else { return }
            cursor.state = .following
            if pages.isEmpty {
                self.replacePlace(of: cursor)
            } else {
                self.deliver(pages, to: cursor, after: position)
            }
            self.serve(cursor)
        }
    }

    private func deliver(_ pages: [LogPage], to cursor: Cursor, after position: Int) {
        let events = pages.events(after: position, upTo: log.committedPosition)
        var source = EventSource.read(cursor.catchUp.mergesDeltas ? DeltaRun.merged(events) : events)
        deliver(&source, to: cursor)
        // Fetched pages do not know their offset in the log.
        if log.holdsAll(after: cursor.position) { cursor.byteOffset = log.byteOffset(of: cursor.position) }
        if events.isEmpty, let last = pages.last {
            // Only events of unknown kinds.
            cursor.place = log.place(after: max(position, min(last.lastPosition, log.committedPosition)))
        }
    }

    /// Handles a cursor whose next events the log no longer has.
    private func replacePlace(of cursor: Cursor) {
        // A position that the log never had does not count as lost events.
        let lost = max(0, min(log.oldestPosition, log.oldestStoredPosition) - 1 - max(0, cursor.position))
        guard cursor.catchUp.whenPlaceIsGone == .snapshot, let state = delegate?.snapshot() else {
            host.applied(.losslessOrClose, toEvents: lost)
            detach(cursor)
            cursor.deliverPlaceGone()
            return
        }
        host.applied(.snapshot, toEvents: lost)
        let sequence = log.lastPosition
        cursor.place = log.place(after: sequence)
        cursor.byteOffset = log.endOffset
        if !state.isLarge { return deliver(state.json, asOf: sequence, to: cursor) }
        cursor.state = .awaiting
        host.compute(for: owner) {
            state.json
        } then: { [weak self, weak cursor] json in
            guard let self, let cursor, self.isAwaiting(cursor, at: sequence) else { return }
            cursor.state = .following
            self.deliver(json ?? state.json, asOf: sequence, to: cursor)
            self.serve(cursor)
        }
    }

    private func deliver(_ state: [UInt8], asOf sequence: Int, to cursor: Cursor) {
        if log.committedPosition >= sequence { return cursor.deliverSnapshot(state, sequence: sequence) }
        // The state must be committed first; later events follow it.
        cursor.state = .awaiting
        log.whenCommitted { [weak self, weak cursor] in
            guard let self, let cursor, self.isAwaiting(cursor, at: sequence) else { return }
            cursor.state = .following
            cursor.deliverSnapshot(state, sequence: sequence)
            self.serve(cursor)
        }
    }

    /// Whether a cursor is still waiting for the pages or snapshot requested at `position`.
    private func isAwaiting(_ cursor: Cursor, at position: Int) -> Bool {
        cursor.audience === self && cursor.state == .awaiting && cursor.position == position
    }
}
