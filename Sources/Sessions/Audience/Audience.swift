/// The audience's view of its session.
protocol AudienceDelegate: AnyObject {
    /// The state that replaces events which the log no longer has; nil if there is none.
    func snapshot() -> SessionState?
    /// A listener was attached; the events in the log are delivered next.
    func listenerAttached()
    /// The events in the log have been delivered to the listener.
    func listenerFollows()
    /// The last listener has left.
    func lastListenerLeft()
    /// Pauses the model because the readers lag, or resumes it.
    func holdUpstream(_ isHeld: Bool)
}

/// The readers of one log: delivers the events in order, as fast as each reader takes them, and pauses the upstream when all lag.
/// Loop-confined.
final class Audience {
    /// The active response's upstream, as far as the readers slow it down.
    enum Upstream {
        /// No response is running.
        case idle
        case flowing
        /// Paused, since all listeners lag far behind.
        case held
    }

    let log: SessionLog
    let limits: SessionLimits
    /// Owner whose share of worker time snapshots are charged to.
    let owner: String
    unowned let host: any SessionHost
    let memory: MemoryTally
    weak var delegate: (any AudienceDelegate)?
    var cursors: [Cursor] = []
    /// Attached cursors of each encoding pass.
    private var passCounts: [ObjectIdentifier: Int] = [:]
    var upstream = Upstream.idle
    /// Where the last commit's delivery ended.
    private var commitPlace = LogPlace(position: 0)
    /// Nesting depth of loops over the cursors.
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

    /// Attaches a cursor and delivers the events after `sequence`; those already in the log at once, within this call.
    ///
    /// If the log no longer has them, or never did, the cursor gets a snapshot of the state, then the events that follow it.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        try enter(cursor, after: sequence)
        begin(cursor)
    }

    /// Adds a reader whose command may still be refused; delivery begins, and it counts as a listener, with ``begin(_:)``.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    func enter(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        guard cursors.count < limits.maxCursors else { throw .tooManyCursors(limit: limits.maxCursors) }
        cursor.audience = self
        cursor.place = log.place(after: sequence)
        cursor.byteOffset = log.byteOffset(of: sequence)
        cursor.state = .following
        // It may still be listed if it detached itself in this iteration.
        cursor.wasListed = cursors.contains { $0 === cursor }
        if !cursor.wasListed { cursors.append(cursor) }
        if let pass = cursor.pass { enter(cursor, pass) }
    }

    /// Begins delivery to an added reader with the events already in the log. No effect if it has detached itself since.
    func begin(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        if cursor.listens { delegate?.listenerAttached() }
        serve(cursor)
        if cursor.listens, cursor.isAttached { delegate?.listenerFollows() }
    }

    /// Removes an added reader whose command was refused. It never counted as a listener, so none has left.
    func withdraw(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        release(cursor)
        // A listener that detached itself in this iteration: the scheduled `settle()` removes it.
        if cursor.wasListed { return }
        // Safe during a delivery: the cursors after it joined later, and already have the event.
        cursors.removeAll { $0 === cursor }
    }

    /// Resumes delivery to a paused cursor.
    func resume(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        if cursor.state == .paused { cursor.state = .following }
        serve(cursor)
    }

    /// Ends delivery to a cursor.
    func detach(_ cursor: Cursor) {
        guard cursor.audience === self else { return }
        release(cursor)
        guard deliveryDepth == 0 else {
            // Called from within its own delivery: the cursors are being iterated, and an event is being appended. Settle after
            // this iteration.
            _ = host.schedule(after: .zero) { [weak self] in self?.settle() }
            return
        }
        settle()
    }

    private func release(_ cursor: Cursor) {
        if cursor.isAttached, let pass = cursor.pass { leave(pass) }
        cursor.audience = nil
        cursor.state = .detached
        cursor.sharesEncoding = false
    }

    private func enter(_ cursor: Cursor, _ pass: ObjectIdentifier) {
        let count = passCounts[pass, default: 0] + 1
        passCounts[pass] = count
        cursor.sharesEncoding = count > 1
        if count == 2 { setSharesEncoding(true, inPass: pass) }
    }

    /// The reader that stays alone encodes straight into its output again.
    private func leave(_ pass: ObjectIdentifier) {
        let count = passCounts[pass, default: 1] - 1
        passCounts[pass] = count > 0 ? count : nil
        if count == 1 { setSharesEncoding(false, inPass: pass) }
    }

    private func setSharesEncoding(_ isShared: Bool, inPass pass: ObjectIdentifier) {
        for cursor in cursors where cursor.pass == pass && cursor.isAttached { cursor.sharesEncoding = isShared }
    }

    private func settle() {
        let listenerLeft = cursors.contains { $0.listens && !$0.isAttached }
        cursors.removeAll { !$0.isAttached }
        trimLog()
        releaseUpstreamIfOneKeepsUp()
        if listenerLeft, !isFollowed { delegate?.lastListenerLeft() }
    }

    /// Stops following the log: ends all delivery and removes the log's callback.
    func unfollow() { log.onCommit = nil }

    /// Detaches all readers: their session is gone.
    func dismiss() {
        unfollow()
        for cursor in cursors {
            release(cursor)
            cursor.sessionClosed()
        }
        cursors = []
    }

    // MARK: Delivery

    /// Token path: delivers an event that was just appended and is committed to all readers directly before it.
    @inline(__always)
    func deliver(_ event: inout SessionEvent) { if !cursors.isEmpty { hand(&event) } }

    /// Delivers the log to its end, committed or not: nothing of a deleted session need be committed first.
    func deliverAll() { deliver(upTo: log.lastPosition, toThoseAt: log.committedPosition) }

    private func committed(after previous: Int) {
        deliver(upTo: log.committedPosition, toThoseAt: previous)
        releaseUpstreamIfOneKeepsUp()
    }

    /// Delivers newly committed events to the readers that had everything before, event by event, so that one encoding serves all
    /// of them.
    private func deliver(upTo last: Int, toThoseAt previous: Int) {
        if cursors.isEmpty { return }
        let place = commitPlace.position == previous ? commitPlace : log.place(after: previous)
        var source = EventSource.memory(place, upTo: last, mergesDeltas: false)
        deliver(&source, to: nil)
        commitPlace = source.place(behind: last, in: log)
    }

    /// The delivery loop: hands the events of a source to one reader while it takes more, or to all readers.
    func deliver(_ source: inout EventSource, to reader: Cursor?) {
        while reader == nil || reader?.state == .following, var event = source.next(in: log) {
            if let reader {
                if let first = event.mergedFrom { host.applied(.mergeDeltas, toEvents: event.position - first) }
                let place = source.place(behind: event.position, in: log)
                hand(event, to: reader, readingOnAt: place)
            } else {
                hand(&event)
            }
        }
    }

    /// Hands an event to all readers that stand right before it and take it.
    private func hand(_ event: inout SessionEvent) {
        deliveryDepth += 1
        // By index: a reader that joins meanwhile is appended, and has the event already.
        var index = 0
        while index < cursors.count {
            let cursor = cursors[index]
            // A reader that waits for a page or snapshot gets that first, then this event.
            if cursor.state == .following, cursor.position == event.position - 1 {
                cursor.place.move(behind: event)
                event.isShared = cursor.sharesEncoding
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
        // The call may have detached it.
        if cursor.deliver(event) == .pause, cursor.state == .following { cursor.state = .paused }
    }
}

/// A source of events for the delivery loop.
struct EventSource {
    /// Where reading continues, up to ``last``.
    private(set) var place: LogPlace
    private let last: Int
    private let mergesDeltas: Bool
    /// Events fetched for one reader, on pages that do not know their offset in the log; nil to read from memory.
    private var read: ArraySlice<SessionEvent>?

    /// Reads the log's pages in memory.
    /// - Parameter last: position of the last event to read.
    static func memory(_ place: LogPlace, upTo last: Int, mergesDeltas: Bool) -> EventSource {
        EventSource(place: place, last: last, mergesDeltas: mergesDeltas)
    }

    /// Reads events fetched from the store.
    static func read(_ events: [SessionEvent]) -> EventSource {
        EventSource(place: LogPlace(position: 0), last: .max, mergesDeltas: false, read: events[...])
    }

    /// The next event; nil at the end, or if it is not in memory.
    mutating func next(in log: SessionLog) -> SessionEvent? {
        if read != nil { return read?.popFirst() }
        guard place.position < last, let event = mergesDeltas ? log.nextMerged(&place) : log.next(&place) else { return nil }
        if event.position <= last { return event }
        // The event that follows those of unknown kinds may be uncommitted.
        place = log.place(after: event.position - 1)
        return nil
    }

    /// Where a reader that has everything up to `position` continues.
    func place(behind position: Int, in log: SessionLog) -> LogPlace {
        read == nil && place.position >= position ? place : log.place(after: position)
    }
}
