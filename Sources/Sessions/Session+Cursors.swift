/// Who follows the session: from which event on, as fast as each takes them, and what becomes of one that lags.
extension Session {
    /// Whether somebody follows the session.
    public var isFollowed: Bool { cursors.contains { $0.listens && $0.isAttached } }
    public var cursorCount: Int { cursors.count }

    /// Starts to deliver what follows `sequence` to the cursor; what is there already at once, within this call.
    ///
    /// When the log does not hold it any more, or never did, the cursor gets the state in its place, and then what follows that.
    public func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard cursors.count < limits.maxCursors else { throw .tooManyCursors(limit: limits.maxCursors) }
        cursor.session = self
        cursor.place = log.place(after: sequence)
        cursor.byteOffset = log.byteOffset(of: sequence)
        cursor.isPaused = false
        cursor.isFetching = false
        // It may still be in the list, when it detached itself in this turn.
        if !cursors.contains(where: { $0 === cursor }) { cursors.append(cursor) }
        if cursor.listens { endGrace() }
        serve(cursor)
        if cursor.listens, cursor.isAttached { listenerReturned() }
    }

    /// Goes on to deliver to a cursor that had paused.
    public func resume(_ cursor: Cursor) {
        guard cursor.session === self else { return }
        cursor.isPaused = false
        serve(cursor)
    }

    private func serve(_ cursor: Cursor) {
        catchUp(cursor)
        trimLog()
        releaseUpstreamIfOneKeepsUp()
    }

    private func catchUp(_ cursor: Cursor) {
        while !cursor.isPaused, cursor.isAttached, !cursor.isFetching {
            // What its page holds it reads also when the log has dropped the page.
            guard cursor.position < log.committedPosition || cursor.position > log.lastPosition || cursor.position < 0 else {
                return
            }
            var place = cursor.place
            if let event = cursor.catchUp.mergesDeltas ? log.nextMerged(&place) : log.next(&place) {
                // Behind events of unknown kinds there may be one that is not committed yet.
                guard event.position <= log.committedPosition else {
                    cursor.place = log.place(after: event.position - 1)
                    return
                }
                if let first = event.mergedFrom { host.applied(.mergeDeltas, toEvents: event.position - first) }
                advance(cursor, over: event)
                if cursor.position == place.position { cursor.place = place }
            } else if place.position > cursor.position {
                // Events of unknown kinds alone.
                cursor.place = place
            } else if log.canProvideAll(after: cursor.position) {
                fetch(for: cursor)
            } else {
                replacePlace(of: cursor)
            }
        }
    }

    /// What the cursor wants next is stored, but not in memory.
    private func fetch(for cursor: Cursor) {
        cursor.isFetching = true
        let position = cursor.position
        log.fetch(after: position) { [weak self, weak cursor] pages in
            guard let self, let cursor, cursor.session === self, cursor.isFetching, cursor.position == position else { return }
            cursor.isFetching = false
            if pages.isEmpty { return self.replacePlaceAndServe(cursor) }
            let events = pages.events(after: position, upTo: self.log.committedPosition)
            for event in cursor.catchUp.mergesDeltas ? DeltaRun.merged(events) : events {
                guard !cursor.isPaused, cursor.isAttached else { break }
                if let first = event.mergedFrom { self.host.applied(.mergeDeltas, toEvents: event.position - first) }
                self.advance(cursor, over: event)
                // Where the log goes on is not on a page that was read for one cursor.
                cursor.place = self.log.place(after: event.position)
            }
            // The pages that were read do not know where in the log they stand.
            if self.log.holdsAll(after: cursor.position) { cursor.byteOffset = self.log.byteOffset(of: cursor.position) }
            if events.isEmpty, let last = pages.last {
                // Events of unknown kinds alone.
                cursor.place = self.log.place(after: max(position, min(last.lastPosition, self.log.committedPosition)))
            }
            self.serve(cursor)
        }
    }

    private func replacePlaceAndServe(_ cursor: Cursor) {
        replacePlace(of: cursor)
        serve(cursor)
    }

    /// Nobody holds what the cursor wants next.
    private func replacePlace(of cursor: Cursor) {
        // A place that the log never had is no loss of ours.
        let lost = max(0, min(log.oldestPosition, log.oldestStoredPosition) - 1 - max(0, cursor.position))
        switch cursor.catchUp.whenPlaceIsGone {
        case .snapshot:
            host.applied(.snapshot, toEvents: lost)
            let sequence = log.lastPosition
            cursor.place = log.place(after: sequence)
            cursor.byteOffset = log.endOffset
            let state = state
            if !state.isLarge { return deliver(state.json, asOf: sequence, to: cursor) }
            cursor.isFetching = true
            host.compute(for: owner) {
                state.json
            } then: { [weak self, weak cursor] json in
                guard let self, let cursor, self.isWaiting(cursor, at: sequence) else { return }
                cursor.isFetching = false
                self.deliver(json ?? state.json, asOf: sequence, to: cursor)
                self.serve(cursor)
            }
        case .close:
            host.applied(.losslessOrClose, toEvents: lost)
            detach(cursor)
            cursor.deliverPlaceGone()
        }
    }

    private func deliver(_ state: [UInt8], asOf sequence: Int, to cursor: Cursor) {
        if log.committedPosition >= sequence { return cursor.deliverSnapshot(state, sequence: sequence) }
        // What it tells of must be safe first; what is said meanwhile comes after it.
        cursor.isFetching = true
        log.whenCommitted { [weak self, weak cursor] in
            guard let self, let cursor, self.isWaiting(cursor, at: sequence) else { return }
            cursor.isFetching = false
            cursor.deliverSnapshot(state, sequence: sequence)
            self.serve(cursor)
        }
    }

    /// Whether a cursor still waits for what is being made for it.
    private func isWaiting(_ cursor: Cursor, at sequence: Int) -> Bool {
        cursor.session === self && cursor.isFetching && cursor.position == sequence
    }

    // MARK: Readers that lag

    /// Of those that must get every event, and still can, the position of the one furthest behind.
    var leastNeededPosition: Int {
        let first = log.oldestPosition - 1
        let needing = cursors.lazy.filter { $0.isAttached && $0.catchUp.whenPlaceIsGone == .close && $0.position >= first }
        return needing.map(\.position).min() ?? .max
    }

    /// Lets go of what one of them has got, or does not want any more.
    func trimLog() {
        let before = log.byteCount
        log.trim()
        if log.byteCount != before { onAppend?(log.byteCount - before) }
    }

    /// Bytes by which the foremost of those who listen lags; 0 when nobody listens.
    private var lagByteCount: Int {
        let foremost = cursors.lazy.filter { $0.listens && $0.isAttached }.map(\.byteOffset).max()
        return foremost.map { log.endOffset - $0 } ?? 0
    }

    /// An upstream that is faster than everybody who listens would drive events out of the log before one of them had read
    /// them: it waits. One reader that keeps up is enough for it to go on, so that a slow one delays nobody else.
    func holdUpstreamIfAllLag() {
        let allLag = cursors.contains { $0.isPaused } && lagByteCount > limits.maxLogBytes / 2
        guard allLag || log.isCongested else { return }
        isUpstreamHeld = true
        active?.holdUpstream(true)
    }

    func releaseUpstreamIfOneKeepsUp() {
        guard isUpstreamHeld, lagByteCount <= limits.maxLogBytes / 4, !log.isCongested else { return }
        isUpstreamHeld = false
        active?.holdUpstream(false)
    }

    /// Ends the delivery. When nobody is left who listens, the running response's disconnect policy applies.
    public func detach(_ cursor: Cursor) {
        guard cursor.session === self else { return }
        cursor.session = nil
        guard deliveryDepth == 0 else {
            // From within its own delivery: the list is being walked, and an event is being made. Settle after this turn.
            _ = host.schedule(after: .zero) { [weak self] in self?.settle() }
            return
        }
        settle()
    }

    /// Tells the cursors that have got everything that the server stops.
    public func announceStop() {
        for cursor in cursors
        where cursor.session === self && !cursor.knowsOfStop && !cursor.isFetching && cursor.position >= log.lastPosition {
            cursor.knowsOfStop = true
            cursor.hostStopping()
        }
    }

    /// Tells those who listen and wait for events that cannot be kept that they wait for the storage.
    public func announceStall() {
        for cursor in cursors where cursor.session === self && cursor.listens && cursor.position < log.lastPosition {
            cursor.storageStalled()
        }
    }

    private func settle() {
        let listenerLeft = cursors.contains { $0.listens && !$0.isAttached }
        cursors.removeAll { !$0.isAttached }
        trimLog()
        releaseUpstreamIfOneKeepsUp()
        if listenerLeft, !isFollowed { applyDisconnectPolicies() }
    }
}
