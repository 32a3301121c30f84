/// Events of a log that are read at once, by a client that polls: a cursor for one page.
public enum EventRead: Sendable {
    /// - `upTo`: position of the last event that the client has then.
    case events([SessionEvent], upTo: LogPosition, hasMore: Bool)
    /// In the place of events that are no longer stored.
    case state(SessionState)
}

extension Session {
    /// Reads what the log has behind `position`, from memory or from where it keeps older events.
    /// - Parameters:
    ///   - limit: the most events.
    ///   - then: called once on the session's loop, at once if memory has it all. A state in it may not be committed yet.
    public func readEvents(after position: LogPosition, limit: Int, mergesDeltas: Bool, then: @escaping (EventRead) -> Void) {
        // A client that polls is no listener that could leave, but one that has come back after a restart.
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
