import GRDB
import Synchronization

/// One loop's changes on their way to the store. Changes added during a commit leave together with the next one, so that a busy
/// loop costs the store one change a commit and gets one callback for all of it. Safe from any thread.
public final class SessionOutbox: Sendable {
    private struct State {
        /// Changes for the next commit.
        var gathered = SessionChanges()
        var gatheredCount = 0
        /// Changes in the current commit.
        var sealed = SessionChanges()
        var sealedCount = 0
        /// Empty, with the capacity of the last commit.
        var spare = SessionChanges()
    }

    private let state = Mutex(State())
    private let commits: CommitQueue
    private let tail: EventTail
    private let then: @Sendable (_ count: Int, StorageError?) -> Void

    /// An outbox to `store`.
    /// - Parameter then: called on the store's own thread when the next `count` changes are committed, or refused.
    public init(_ store: Store, then: @escaping @Sendable (_ count: Int, StorageError?) -> Void) {
        commits = store.commits
        tail = store.tail
        self.then = then
    }

    /// Takes changes, to be applied in the order of these calls; leaves `changes` empty, with capacity for as many.
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
