/// An object hosted by a loop: a session, a document, or anything else that has an identifier, stays in memory while it is used,
/// and can be loaded again from a store. Loop-confined.
package protocol Resident: AnyObject, SendableMetatype {
    /// The changes that the loop's journal collects for the store.
    associatedtype Changes: JournalChanges

    /// What the operator's log calls one of them, such as `session`.
    static var kind: String { get }

    /// Its identifier.
    var id: String { get }
    /// The principal that its memory is attributed to.
    var owner: String { get }
    /// Other identifiers of the object.
    var aliases: [String] { get }
    /// Size in memory, in bytes.
    var byteCount: Int { get }
    /// Called with each change of ``byteCount``, in bytes. Set by the host.
    var onByteCountChange: ((_ change: Int) -> Void)? { get set }

    /// Whether it may leave memory: no work runs or waits in it, and it has no followers.
    var isIdle: Bool { get }
    /// Whether it has work that a stopping host waits for.
    var isWorking: Bool { get }
    /// Number of requests that wait for its current work to end.
    var waitingCount: Int { get }
    /// Whether it has no work, current or waiting, and will begin none: its followers may be told that the host stops.
    var isAtRest: Bool { get }
    /// Whether all of it is committed. Called for stored objects only.
    var isCommitted: Bool { get }

    /// Leaves memory; can be loaded again. Only for an idle, committed object.
    func unload()
    /// Deletes the object: ends its work and notifies its followers.
    func close()
    /// Writes the deletion to the journal. Called after ``close()``, for stored objects only.
    /// - Parameter then: called when the deletion is committed.
    func eraseFromStore(then: @escaping () -> Void)
    /// The store has refused a change, so that memory and store differ: disconnects the followers. The object can be loaded again.
    func abandon()
    /// Tells the followers that the store commits nothing at present, and that they wait for it.
    func announceStall()
    /// Tells the followers that have received everything that the host stops.
    func announceStop()
    /// The host stops: ends the work, or suspends it to resume when the object is loaded again.
    /// - Parameter isStored: whether the object can be loaded again.
    func stop(isStored: Bool)
}

/// How long an object exists, and where.
package enum Lifetime: Sendable {
    /// Until it is idle.
    case untilIdle
    /// In memory only: until it has been idle for the retention period, or its owner's share of memory is needed.
    case inMemory
    /// In the store, until retention deletes it; in memory while it is used.
    case stored
}
