/// An object that a loop hosts: a session, a document, or whatever else is found by an identifier, kept in memory for as long as it
/// is used, and loaded again from a store. Loop-confined.
package protocol Resident: AnyObject, SendableMetatype {
    /// What the journal of its loop collects for the store.
    associatedtype Changes: JournalChanges

    /// The word for one of them in the operator's log, such as `session`.
    static var kind: String { get }

    var id: String { get }
    /// The principal whose share of the memory it takes.
    var owner: String { get }
    /// Other identifiers that lead to it.
    var aliases: [String] { get }
    /// Bytes in memory.
    var byteCount: Int { get }
    /// Called with each change of ``byteCount``. Set by its host.
    var onByteCountChange: ((_ change: Int) -> Void)? { get set }

    /// Whether nothing happens in it, nothing waits in it, and nothing follows it: it may leave memory.
    var isIdle: Bool { get }
    /// Whether work is under way in it that a host which stops waits for.
    var isWorking: Bool { get }
    /// Work that waits in it for what is under way.
    var waitingCount: Int { get }
    /// Whether no work is under way, none waits, and none will begin: its followers may be told that the host stops.
    var isAtRest: Bool { get }
    /// Whether the store has everything of it. Asked of stored objects only.
    var isCommitted: Bool { get }

    /// It leaves memory, and can be loaded again. Only for an object that is idle and committed.
    func unload()
    /// It is deleted: ends its work and tells its followers.
    func close()
    /// Writes the deletion to the journal. Called after ``close()``, for stored objects only.
    /// - Parameter then: called when the deletion is committed.
    func eraseFromStore(then: @escaping () -> Void)
    /// The store has refused a change of it, so that memory and store differ: lets its followers go. It can be loaded again.
    func abandon()
    /// Tells its followers that the store commits nothing at this time, and that they wait for it.
    func announceStall()
    /// Tells the followers that have everything of it that the host stops.
    func announceStop()
    /// The host stops: ends the work, or suspends it, to be continued when the object is loaded again.
    /// - Parameter isStored: whether it can be loaded again.
    func stop(isStored: Bool)
}

/// How long an object exists, and where.
package enum Lifetime: Sendable {
    /// Until it is idle.
    case untilIdle
    /// In memory only: until it was idle for the retention period, or its owner's share of the memory is needed.
    case inMemory
    /// In the store, until retention deletes it there; in memory while it is used.
    case stored
}
