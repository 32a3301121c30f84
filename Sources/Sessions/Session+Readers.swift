/// Readers of the session.
extension Session {
    /// Whether a listener follows the session.
    public var isFollowed: Bool { audience.isFollowed }
    /// Number of attached cursors.
    public var cursorCount: Int { audience.cursors.count }

    /// Attaches a cursor and delivers the events after `sequence`; those already in the log at once, within this call.
    ///
    /// If the log no longer has them, or never did, the cursor gets a snapshot of the state, then the events that follow it.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    public func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try audience.attach(cursor, after: sequence)
    }

    /// Resumes delivery to a paused cursor.
    public func resume(_ cursor: Cursor) { audience.resume(cursor) }

    /// Ends delivery to a cursor. If no listener is left, the disconnect policies of the responses apply.
    public func detach(_ cursor: Cursor) { audience.detach(cursor) }

    /// Tells the cursors that have received everything that the server stops.
    public func announceStop() { audience.announceStop() }

    /// Tells listeners that their next events are waiting for the disk.
    public func announceStall() { audience.announceStall() }
}

extension Session: AudienceDelegate {
    func snapshot() -> SessionState? { state }
    func listenerAttached() { queue.endGraces() }
    func listenerFollows() { queue.listenerReturned() }
    func lastListenerLeft() { queue.lastListenerLeft() }
    func holdUpstream(_ isHeld: Bool) { active?.holdUpstream(isHeld) }
}
