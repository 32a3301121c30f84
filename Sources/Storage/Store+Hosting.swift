public import Hosting

extension SessionChanges: JournalChanges {}
extension SessionOutbox: JournalOutbox {}

extension Store {
    /// Makes a loop's outbox to this store.
    /// - Parameter then: called on the store's own thread, in commit order.
    package func makeOutbox(then: @escaping @Sendable (_ count: Int, CommitOutcome) -> Void) -> SessionOutbox {
        SessionOutbox(self) { count, error in then(count, CommitOutcome(error)) }
    }
}

extension CommitOutcome {
    fileprivate init(_ error: StorageError?) {
        switch error {
        case nil: self = .committed
        case .closed: self = .closed
        case .some(let error): self = .refused(reason: "\(error)")
        }
    }
}

extension Store: RetainingStore {
    package func unused(since time: Int, limit: Int) async throws(StorageError) -> [String] {
        try await sessionsUnused(since: time, limit: limit)
    }

    package func delete(_ ids: [String], unusedSince time: Int) async throws(StorageError) -> Int {
        try await deleteSessions(ids, unusedSince: time)
    }

    package func finishDeleting() async throws(StorageError) { try await dropDeletedEvents() }
}
