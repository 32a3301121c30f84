/// A position in a session's log that moves on as events are delivered: what a connection holds, whatever its transport.
///
/// Loop-confined, like its session. A face subclasses it. A cursor that cannot take more says so and stays where it is: it costs
/// nothing while it waits, since the log is its buffer; ``resume()`` goes on from there.
open class Cursor {
    /// What a cursor answers to an event: whether it takes the next.
    public enum Demand: Sendable { case more, pause }

    enum State {
        /// Nothing is delivered to it.
        case detached
        /// It takes what comes next.
        case following
        /// It has said that it takes no more for now.
        case paused
        /// Pages or a snapshot are on their way to it: what happens meanwhile comes after them.
        case awaiting
    }

    /// Sequence number of the last event that was delivered or passed over.
    public var position: Int { place.position }
    /// Where it reads on.
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
    /// What it gets when it lags.
    public let catchUp: CatchUp

    public init(listens: Bool = true, catchUp: CatchUp = .snapshot) {
        self.listens = listens
        self.catchUp = catchUp
    }

    var isAttached: Bool { state != .detached }

    /// Goes on with the delivery to a cursor that had paused. Nothing happens to one that is not attached.
    public final func resume() { audience?.resume(self) }

    /// The position of an event of the log that it follows, with the epoch that the event belongs to.
    public final func position(of sequence: Int) -> LogPosition {
        audience?.log.epochs.position(of: sequence) ?? LogPosition(sequence: sequence)
    }

    /// Ends the delivery. When no listener is left, the disconnect policies of the session's responses apply.
    public final func detach() { audience?.detach(self) }

    /// The next event of the log, in order. Also called from within ``Session/attach(_:after:)``.
    ///
    /// Called in the middle of the session's iteration: it may detach itself, and must give the session no other command.
    open func deliver(_ event: SessionEvent) -> Demand { .more }

    /// The log no longer holds what comes after ``position``: the state in its place, and the number up to which it holds.
    open func deliverSnapshot(_ state: [UInt8], sequence: Int) {}

    /// The server stops, nothing runs in the session any more, and everything that its log holds was delivered: a good moment to
    /// tell the client to go elsewhere. Called once.
    open func hostStopping() {}
    var knowsOfStop = false
    /// The storage has committed nothing for long, and what comes next waits for that.
    open func storageStalled() {}
    /// The log no longer holds what comes after ``position``, and a state would not do: nothing more comes. It is detached.
    open func deliverPlaceGone() {}

    /// The session is gone; nothing more comes.
    open func sessionClosed() {}
}
