/// A position in a session's log that advances as events are delivered: a connection's view of the session, whatever the transport.
///
/// Loop-confined, like its session. Faces subclass it. A cursor that cannot take more returns `pause` and stays where it is. A
/// paused cursor costs nothing, since the log is its buffer; ``resume()`` continues from there.
open class Cursor {
    /// Whether a cursor takes more events.
    public enum Demand: Sendable { case more, pause }

    enum State {
        /// Not attached.
        case detached
        /// Ready for the next event.
        case following
        /// Takes no more for now.
        case paused
        /// Waits for pages or a snapshot; later events follow them.
        case awaiting
    }

    /// Sequence number of the last event that was delivered or skipped.
    public var position: Int { place.position }
    /// Where reading continues.
    var place = LogPlace(position: 0)
    var state = State.detached
    /// The audience that has it in its list, which sets it to nil when it ends.
    unowned(unsafe) var audience: Audience?
    /// Whether its audience had it in the list before it entered: it had detached itself in the same iteration.
    var wasListed = false
    /// Bytes of the log up to ``position``.
    var byteOffset = 0
    /// Whether this cursor counts as a listener, for disconnect policies.
    public let listens: Bool
    /// How it catches up when it lags.
    public let catchUp: CatchUp
    /// The encoding pass that its reader gets events from; nil if it encodes otherwise.
    let pass: ObjectIdentifier?
    /// Whether another cursor of the audience has the same pass.
    var sharesEncoding = false

    /// - Parameters:
    ///   - listens: whether the cursor counts as a listener, for disconnect policies.
    ///   - catchUp: how it catches up when it lags.
    ///   - pass: the ``EncodingPass`` that its reader gets events from, if any.
    public init(listens: Bool = true, catchUp: CatchUp = .snapshot, pass: ObjectIdentifier? = nil) {
        self.listens = listens
        self.catchUp = catchUp
        self.pass = pass
    }

    var isAttached: Bool { state != .detached }

    /// Resumes delivery after a pause. No effect on a cursor that is not attached.
    public final func resume() { audience?.resume(self) }

    /// The position of an event of the log, with the event's epoch.
    public final func position(of sequence: Int) -> LogPosition {
        audience?.log.epochs.position(of: sequence) ?? LogPosition(sequence: sequence)
    }

    /// Ends delivery. If no listener is left, the disconnect policies of the session's responses apply.
    public final func detach() { audience?.detach(self) }

    /// Receives the next event of the log, in order. Also called from within ``Session/attach(_:after:)``.
    ///
    /// Called during the session's iteration: it may detach the cursor, but must not send any other command to the session.
    open func deliver(_ event: SessionEvent) -> Demand { .more }

    /// Receives the state instead of events that the log no longer has; delivery continues after event `sequence`.
    open func deliverSnapshot(_ state: [UInt8], sequence: Int) {}

    /// The server is stopping, the session is at rest, and all events have been delivered: a good moment to send the client
    /// elsewhere. Called once.
    open func hostStopping() {}
    var knowsOfStop = false
    /// The disk has committed nothing for long, and further events wait for it.
    open func storageStalled() {}
    /// The log no longer has the next event, and the reader takes no snapshot: delivery ends. The cursor is detached.
    open func deliverPlaceGone() {}

    /// The session is gone; delivery ends.
    open func sessionClosed() {}
}
