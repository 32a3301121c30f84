/// An object whose changes a ``Journal`` commits. Confined to the journal's loop.
public protocol Journaled: AnyObject {
    /// The journal's notes about the object. Starts as `JournalEntry()`; only the journal changes it.
    var journalEntry: JournalEntry { get set }
    /// How far the object has come, in a measure of its own that only grows. Read when its changes leave for the store, and given
    /// back by ``committed(upTo:)``.
    var lastPosition: Int { get }
    /// Its changes up to a position are committed.
    func committed(upTo position: Int)
    /// The store has refused a change: what follows it is not stored either. Called once at most.
    func lost()
    /// The journal has room again. Called after ``Journal/relieveLater(_:)``.
    func relieved()
}

/// What a journal knows of one object.
public struct JournalEntry {
    /// The commit that its newest change is part of; 0: it has none.
    public var ticket = 0
    /// Whether its changes are ignored from now on.
    public var isClosed = false
    /// Whether it waits for the journal to have room.
    var awaitsRelief = false

    public init() {}
}

/// Changes of any number of objects, in their order, on the way to a store.
public protocol JournalChanges: Sendable {
    init()
    var isEmpty: Bool { get }
    /// Bytes that it takes in memory until it is committed, approximately.
    var byteCount: Int { get }
}

/// The store's end of a journal: what is put in while a commit is under way leaves together with the next one.
public protocol JournalOutbox<Changes>: AnyObject {
    associatedtype Changes: JournalChanges
    /// Takes changes, and leaves none. They are committed in the order in which they came.
    func take(_ changes: inout Changes)
}

/// What became of changes that a store took.
public enum CommitOutcome: Sendable, Equatable {
    case committed
    /// They cannot be stored, whatever the state of the disk: a fault of the server's.
    case refused(reason: String)
    /// The store was closed before.
    case closed
}
