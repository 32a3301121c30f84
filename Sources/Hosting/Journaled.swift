/// An object whose changes a ``Journal`` commits. Confined to the journal's loop.
public protocol Journaled: AnyObject {
    /// The journal's state for the object. Starts as `JournalEntry()`; only the journal changes it.
    var journalEntry: JournalEntry { get set }
    /// The object's progress, in a measure of its own that only grows. Read when its changes leave for the store, and returned by
    /// ``committed(upTo:)``.
    var lastPosition: Int { get }
    /// The changes up to a position are committed.
    func committed(upTo position: Int)
    /// The store has refused a change; nothing that follows is stored either. Called at most once.
    func lost()
    /// Congestion has ended. Called after ``Journal/relieveLater(_:)``.
    func relieved()
}

/// A journal's state for one object.
public struct JournalEntry {
    /// The commit that contains its newest change; 0 if none.
    public var ticket = 0
    /// Whether its changes are ignored from now on.
    public var isClosed = false
    /// Whether it waits for congestion to end.
    var awaitsRelief = false

    /// An entry without changes.
    public init() {}
}

/// Changes to any number of objects, in order, on their way to a store.
public protocol JournalChanges: Sendable {
    init()
    var isEmpty: Bool { get }
    /// Approximate memory occupied until the commit, in bytes.
    var byteCount: Int { get }
}

/// The store's end of a journal: changes added during a commit leave together with the next one.
public protocol JournalOutbox<Changes>: AnyObject {
    associatedtype Changes: JournalChanges
    /// Takes changes and leaves `changes` empty. They are committed in the order of these calls.
    func take(_ changes: inout Changes)
}

/// The outcome of changes that a store took.
public enum CommitOutcome: Sendable, Equatable {
    case committed
    /// They cannot be stored, whatever the state of the disk: a bug in the server.
    case refused(reason: String)
    /// The store was closed first.
    case closed
}
