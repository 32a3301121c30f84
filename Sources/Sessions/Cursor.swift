/// A place in a session's log that moves on as events are delivered: what a connection holds, whatever its transport.
///
/// Loop-confined, like its session. A face subclasses it. A cursor that cannot take more says so and is left where it is: it
/// costs nothing while it waits, since the log is its buffer; ``Session/resume(_:)`` goes on from there.
open class Cursor {
    /// What a cursor answers to an event: whether it takes the next.
    public enum Demand: Sendable { case more, pause }

    /// Sequence number of the last event that was delivered or passed over.
    public var position: Int { place.position }
    /// Where it reads on.
    var place = LogPlace(position: 0)
    public internal(set) weak var session: Session? { didSet { isAttached = session != nil } }
    /// Asked for every event, where a weak reference would cost.
    private(set) var isAttached = false
    var isPaused = false
    /// Whether events for it are being read from where the log keeps the old ones.
    var isFetching = false
    /// Bytes of the log up to ``position``.
    var byteOffset = 0
    /// Whether this cursor counts as somebody who listens, for disconnect policies.
    public let listens: Bool
    /// What it gets when it lags.
    public let catchUp: CatchUp

    public init(listens: Bool = true, catchUp: CatchUp = .snapshot) {
        self.listens = listens
        self.catchUp = catchUp
    }

    /// The next event of the log, in order. Also called from within ``Session/attach(_:after:)``.
    ///
    /// Called in the middle of the session's turn: it may detach itself, and must give the session no other command.
    open func deliver(_ event: SessionEvent) -> Demand { .more }

    /// The log no longer holds what comes after ``position``: the state in its place, and the number up to which it holds.
    open func deliverSnapshot(_ state: [UInt8], sequence: Int) {}

    /// The server stops, nothing runs in the session any more, and everything that its log holds was delivered: a good moment to
    /// tell the client to go elsewhere. Called once.
    open func hostStopping() {}
    var knowsOfStop = false
    /// The storage has kept nothing for long, and what comes next waits for that.
    open func storageStalled() {}
    /// The log no longer holds what comes after ``position``, and a state would not do: nothing more comes. It is detached.
    open func deliverPlaceGone() {}

    /// The session is gone; nothing more comes.
    open func sessionClosed() {}
}
