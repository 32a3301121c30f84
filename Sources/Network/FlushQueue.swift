/// The connections that have written in this iteration, and the actions to run after the flush. Loop only.
struct FlushQueue {
    private var scheduled: [Connection] = []
    /// The batch that ``scheduled`` is swapped into for the flush; retained for its storage.
    private var flushing: [Connection] = []
    private var actions: [() -> Void] = []

    var isEmpty: Bool { scheduled.isEmpty }
    var hasActions: Bool { !actions.isEmpty }

    mutating func append(_ connection: Connection) { scheduled.append(connection) }
    mutating func append(action: @escaping () -> Void) { actions.append(action) }

    mutating func takeActions() -> [() -> Void] {
        defer { actions = [] }
        return actions
    }

    /// The connections to flush now; to be returned by ``giveBack(_:)``.
    mutating func take() -> [Connection] {
        swap(&scheduled, &flushing)
        defer { flushing = [] }
        return flushing
    }

    mutating func giveBack(_ flushed: consuming [Connection]) {
        flushed.removeAll(keepingCapacity: true)
        flushing = flushed
    }
}
