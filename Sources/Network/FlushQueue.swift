/// The connections that have written in this iteration, and what waits until that has left. Loop only.
struct FlushQueue {
    private var scheduled: [Connection] = []
    /// Where ``scheduled`` goes while it is worked off; kept for its storage.
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

    /// What is to be flushed now; give it back with ``giveBack(_:)``.
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
