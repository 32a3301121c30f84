/// A page of events for a client that polls, or the state instead.
public enum EventRead: Sendable {
    /// - `upTo`: position up to which the client then has all events.
    case events([SessionEvent], upTo: LogPosition, hasMore: Bool)
    /// The state, if the events are no longer stored.
    case state(SessionState)
}

extension Session {
    /// Reads the events after `position`, from memory or from the store.
    /// - Parameters:
    ///   - limit: the maximum number of events.
    ///   - then: called once on the session's loop, at once if all are in memory. A state may include uncommitted changes.
    public func readEvents(after position: LogPosition, limit: Int, mergesDeltas: Bool, then: @escaping (EventRead) -> Void) {
        // Polling does not make a client a listener, but shows that one has returned after a restart.
        listenerReturned()
        let start = log.sequence(of: position)
        if log.holdsAll(after: start) {
            var events: [SessionEvent] = []
            var place = log.place(after: start)
            while events.count < limit, place.position < log.committedPosition,
                let event = mergesDeltas ? log.nextMerged(&place) : log.next(&place)
            {
                events.append(event)
            }
            then(page(events, after: start))
        } else if log.canProvideAll(after: start) {
            log.fetch(after: start) { [self] pages in
                guard !pages.isEmpty else { return then(.state(state)) }
                let events = pages.events(after: start, upTo: log.committedPosition)
                let whole = mergesDeltas ? DeltaRun.merged(events) : events
                then(page(Array(whole.prefix(limit)), after: start))
            }
        } else {
            then(.state(state))
        }
    }

    private func page(_ events: [SessionEvent], after start: Int) -> EventRead {
        let position = events.last?.logPosition ?? log.epochs.position(of: start)
        return .events(events, upTo: position, hasMore: position.sequence < log.committedPosition)
    }
}
