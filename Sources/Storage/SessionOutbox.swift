import GRDB
import Synchronization

/// The way of one loop's changes to the store. What is put in while a commit is under way leaves together for the next one, so that
/// a busy loop costs the store one change a commit, and is told once of all that is committed. Safe from any thread.
public final class SessionOutbox: Sendable {
    private struct State {
        /// For the next commit.
        var gathered = SessionChanges()
        var gatheredCount = 0
        /// In the commit under way.
        var sealed = SessionChanges()
        var sealedCount = 0
        /// Empty, with the room of what was committed last.
        var spare = SessionChanges()
    }

    private let state = Mutex(State())
    private let commits: CommitQueue
    private let tail: EventTail
    private let then: @Sendable (_ count: Int, StorageError?) -> Void

    /// - Parameter then: called on the store's own thread when the next `count` of what was put in is committed, or refused.
    public init(_ store: Store, then: @escaping @Sendable (_ count: Int, StorageError?) -> Void) {
        commits = store.commits
        tail = store.tail
        self.then = then
    }

    /// Takes changes, which are made in the order in which they came, and leaves none but room for as many.
    public func take(_ changes: inout SessionChanges) {
        let byteCount = changes.byteCount
        let isFirst = state.withLock { state in
            state.gatheredCount += 1
            if state.gatheredCount == 1 {
                swap(&state.gathered, &changes)
                return true
            }
            state.gathered.append(changes)
            return false
        }
        changes.removeAll()
        if isFirst { commits.submit(self, byteCount: byteCount) } else { commits.grew(by: byteCount) }
    }
}

extension SessionOutbox: Change {
    var byteCount: Int { state.withLock { $0.sealed.byteCount } }
    var count: Int { state.withLock { $0.sealedCount } }

    func seal() {
        state.withLock { state in
            swap(&state.sealed, &state.gathered)
            swap(&state.gathered, &state.spare)
            state.sealedCount = state.gatheredCount
            state.gatheredCount = 0
        }
    }

    func apply(to db: Database) throws { try state.withLock { $0.sealed }.apply(to: db, tail) }

    func finish(_ error: StorageError?) {
        let count = state.withLock { state in
            swap(&state.sealed, &state.spare)
            state.spare.removeAll()
            return state.sealedCount
        }
        then(count, error)
    }
}
