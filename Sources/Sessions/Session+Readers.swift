/// The readers of the session.
extension Session {
    /// Whether a listener follows the session.
    public var isFollowed: Bool { audience.isFollowed }
    public var cursorCount: Int { audience.cursors.count }

    /// Starts to deliver what follows `sequence` to the cursor; what is there already at once, within this call.
    ///
    /// When the log does not hold it any more, or never did, the cursor gets the state in its place, and then what follows that.
    public func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try audience.attach(cursor, after: sequence)
    }

    /// Goes on with the delivery to a cursor that had paused.
    public func resume(_ cursor: Cursor) { audience.resume(cursor) }

    /// Ends the delivery. When no listener is left, the running response's disconnect policy applies.
    public func detach(_ cursor: Cursor) { audience.detach(cursor) }

    /// Tells the cursors that have got everything that the server stops.
    public func announceStop() { audience.announceStop() }

    /// Tells listeners that wait for events which cannot be committed that they wait for the storage.
    public func announceStall() { audience.announceStall() }
}

extension Session: AudienceDelegate {
    func snapshot() -> SessionState? { state }
    func listenerAttached() { queue.endGraces() }
    func listenerFollows() { queue.listenerReturned() }
    func lastListenerLeft() { queue.lastListenerLeft() }
    func holdUpstream(_ isHeld: Bool) { active?.holdUpstream(isHeld) }
}
