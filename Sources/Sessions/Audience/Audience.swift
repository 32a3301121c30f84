/// What an audience needs of the session whose log it follows.
protocol AudienceDelegate: AnyObject {
    /// The state that replaces events which the log no longer holds; nil where there is none to tell.
    func snapshot() -> SessionState?
    /// A listener was attached, and gets now what is in the log already.
    func listenerAttached()
    /// The listener has got what was in the log.
    func listenerFollows()
    /// No listener is left.
    func lastListenerLeft()
    /// The readers lag so far that the model must wait, or keep up again.
    func holdUpstream(_ isHeld: Bool)
}

/// The readers of one log: gives each the events in order, as fast as it takes them, and has the upstream wait when all lag.
/// Loop-confined.
final class Audience {
    /// What answers, as far as its speed concerns the readers.
    enum Upstream {
        /// Nothing is being made.
        case idle
        case flowing
        /// It was asked to wait, since all listeners lag far behind.
        case held
    }

    let log: SessionLog
    let limits: SessionLimits
    /// Whose share the making of snapshots counts for.
    let owner: String
    unowned let host: any SessionHost
    let memory: MemoryTally
    weak var delegate: (any AudienceDelegate)?
    var cursors: [Cursor] = []
    var upstream = Upstream.idle
    /// Behind the last event that a commit had delivered.
    private var commitPlace = LogPlace(position: 0)
    /// How deep the list of cursors is being walked.
    private var deliveryDepth = 0

    init(of log: SessionLog, owner: String, host: any SessionHost, limits: SessionLimits, memory: MemoryTally) {
        self.log = log
        self.owner = owner
        self.host = host
        self.limits = limits
        self.memory = memory
        // Called for each commit. A weak reference would cost these calls and every retain of the audience several times as much.
        log.leastNeededPosition = { [unowned(unsafe) self] in leastNeededPosition }
        log.onCommit = { [unowned(unsafe) self] previous in
            // A reader that ends within its delivery may be all that the session has stayed for.
            withExtendedLifetime(self) { committed(after: previous) }
        }
    }

    /// The log may outlive the session in a commit that is under way.
    deinit {
        log.leastNeededPosition = nil
        log.onCommit = nil
        for cursor in cursors where cursor.audience === self { cursor.audience = nil }
    }

    /// Whether a listener follows the log.
    var isFollowed: Bool { cursors.contains { $0.listens && $0.isAttached } }

    // MARK: Joining and leaving

    /// Starts to deliver what follows `sequence` to the cursor; what is there already at once, within this call.
    ///
    /// When the log does not hold it any more, or never did, the cursor gets the state in its place, and then what follows that.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        try enter(cursor, after: sequence)
        begin(cursor)
    }

    /// Enters a reader whose command may still be refused: it gets what is appended, and counts as a listener from ``begin(_:)`` on.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    func enter(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        guard cursors.count < limits.maxCursors else { throw .tooManyCursors(limit: limits.maxCursors) }
        cursor.audience = self
        cursor.place = log.place(after: sequence)
        cursor.byteOffset = log.byteOffset(of: sequence)
        cursor.state = .following
        // It may still be in the list, when it detached itself in this iteration.
        cursor.wasListed = cursors.contains { $0 === cursor }
        if !cursor.wasListed { cursors.append(cursor) }
    }

    /// An entered reader follows the log: it gets what is there already. Nothing happens to one that has detached itself since.
    func begin(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        if cursor.listens { delegate?.listenerAttached() }
        serve(cursor)
        if cursor.listens, cursor.isAttached { delegate?.listenerFollows() }
    }

    /// Takes back an entered reader whose command was refused. By this command it was no listener, so none has left.
    func withdraw(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        release(cursor)
        // One that had detached itself in this iteration is a listener that leaves: `settle()` is scheduled, and takes it out.
        if cursor.wasListed { return }
        // Also while the list is walked: those behind it joined later, and have the event that is delivered.
        cursors.removeAll { $0 === cursor }
    }

    /// Goes on with the delivery to a cursor that had paused.
    func resume(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        if cursor.state == .paused { cursor.state = .following }
        serve(cursor)
    }

    /// Ends the delivery.
    func detach(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        release(cursor)
        guard deliveryDepth == 0 else {
            // From within its own delivery: the list is being walked, and an event is being made. Settle after this iteration.
            _ = host.schedule(after: .zero) { [weak self] in self?.settle() }
            return
        }
        settle()
    }

    private func release(_ cursor: Cursor) {
        cursor.audience = nil
        cursor.state = .detached
    }

    private func settle() {
        let listenerLeft = cursors.contains { $0.listens && !$0.isAttached }
        cursors.removeAll { !$0.isAttached }
        trimLog()
        releaseUpstreamIfOneKeepsUp()
        if listenerLeft, !isFollowed { delegate?.lastListenerLeft() }
    }

    /// Stops to follow the log: nothing more is delivered, and the log calls no more.
    func unfollow() { log.onCommit = nil }

    /// Lets all readers go: their session is gone.
    func dismiss() {
        unfollow()
        for cursor in cursors {
            release(cursor)
            cursor.sessionClosed()
        }
        cursors = []
    }

    // MARK: Delivery

    /// Token path: gives an event that was just appended, and is committed, to all who stand right before it.
    @inline(__always)
    func deliver(_ event: consuming SessionEvent) { if !cursors.isEmpty { hand(event) } }

    /// Delivers what is in the log, committed or not: of a session that is deleted, nothing need be committed first.
    func deliverAll() { deliver(upTo: log.lastPosition, toThoseAt: log.committedPosition) }

    private func committed(after previous: Int) {
        deliver(upTo: log.committedPosition, toThoseAt: previous)
        releaseUpstreamIfOneKeepsUp()
    }

    /// More of the log is committed: the readers that had everything until then get it now, event by event, so that what one encoding
    /// makes of an event serves all of them.
    private func deliver(upTo last: Int, toThoseAt previous: Int) {
        if cursors.isEmpty { return }
        let place = commitPlace.position == previous ? commitPlace : log.place(after: previous)
        var source = EventSource.memory(place, upTo: last, mergesDeltas: false)
        deliver(&source, to: nil)
        commitPlace = source.place(behind: last, in: log)
    }

    /// The delivery loop: hands the events of a source to one reader as long as it takes more, or to all readers.
    func deliver(_ source: inout EventSource, to reader: Cursor?) {
        while reader == nil || reader?.state == .following, let event = source.next(in: log) {
            if let reader {
                if let first = event.mergedFrom { host.applied(.mergeDeltas, toEvents: event.position - first) }
                let place = source.place(behind: event.position, in: log)
                hand(event, to: reader, readingOnAt: place)
            } else {
                hand(event)
            }
        }
    }

    /// Hands an event to all readers that stand right before it and take it.
    private func hand(_ event: consuming SessionEvent) {
        deliveryDepth += 1
        event.isShared = cursors.count > 1
        // By index: a reader that joins while others are served is at the end of the list, and has the event already.
        var index = 0
        while index < cursors.count {
            let cursor = cursors[index]
            // One that waits for a page or a snapshot gets it first, and this event behind it.
            if cursor.state == .following, cursor.position == event.position - 1 {
                cursor.place.move(behind: event)
                take(event, by: cursor)
            }
            index += 1
        }
        deliveryDepth -= 1
    }

    private func hand(_ event: SessionEvent, to cursor: Cursor, readingOnAt place: LogPlace) {
        cursor.place = place
        take(event, by: cursor)
    }

    @inline(__always)
    private func take(_ event: borrowing SessionEvent, by cursor: Cursor) {
        cursor.byteOffset = event.endOffset
        // Within the call it may have detached itself.
        if cursor.deliver(event) == .pause, cursor.state == .following { cursor.state = .paused }
    }
}

/// Where the delivery loop takes events from.
struct EventSource {
    /// Where the log is read on, up to ``last``.
    private(set) var place: LogPlace
    private let last: Int
    private let mergesDeltas: Bool
    /// What was read for one reader, from pages that do not know where in the log they stand; nil: what is in memory.
    private var read: ArraySlice<SessionEvent>?

    /// The log's pages in memory.
    /// - Parameter last: position of the last event to be taken.
    static func memory(_ place: LogPlace, upTo last: Int, mergesDeltas: Bool) -> EventSource {
        EventSource(place: place, last: last, mergesDeltas: mergesDeltas)
    }

    /// Events that memory does not hold, as they were read.
    static func read(_ events: [SessionEvent]) -> EventSource {
        EventSource(place: LogPlace(position: 0), last: .max, mergesDeltas: false, read: events[...])
    }

    /// The next event; nil at the end, and where memory does not hold it.
    mutating func next(in log: SessionLog) -> SessionEvent? {
        if read != nil { return read?.popFirst() }
        guard place.position < last, let event = mergesDeltas ? log.nextMerged(&place) : log.next(&place) else { return nil }
        if event.position <= last { return event }
        // Behind events of unknown kinds there may be one that is not committed yet.
        place = log.place(after: event.position - 1)
        return nil
    }

    /// Where a reader goes on that has got everything up to `position`.
    func place(behind position: Int, in log: SessionLog) -> LogPlace {
        read == nil && place.position >= position ? place : log.place(after: position)
    }
}
