import Bytes
import HTTP
package import Storage
import Synchronization

/// The clients' idempotency keys and the outcomes of their commands, so that no command is carried out twice.
package final class IdempotencyKeys: Sendable {
    /// An idempotency key and its owner.
    package typealias Name = IdempotencyNames.Name

    /// Maximum size of a stored answer, in bytes: a key with a larger one is released.
    static let maxAnswerBytes = 1 << 20
    /// Maximum number of expired keys removed at a time: other changes wait meanwhile.
    private static let maxNamesAtATime = 500

    /// What a command with an idempotency key must do.
    enum Claim: Sendable {
        /// The first with this key: carry it out.
        case first
        /// An earlier one began this response, at this time in seconds since 1970.
        case response(String, createdAt: Int)
        case answer(status: Int, [UInt8])
        /// An earlier one was carried out, and its outcome has been deleted.
        case erased
        /// The first is being carried out, since this time in seconds since 1970.
        case running(since: Int)
        /// The key was used for a different command.
        case differs
        /// The first, but nothing can be written: pending changes must not pile up.
        case unavailable(StorageError)
    }

    /// A stored answer, and the objects that it is deleted with.
    struct Answer: Sendable {
        var status: Int
        var body: [UInt8]
        /// The session, conversation, file or batch that it describes.
        var object: String?
        /// The response that it quotes.
        var quoted: String?
    }

    /// Writes to the store are submitted under this lock, so that they have the order of the changes in memory.
    private let state: Mutex<IdempotencyNames>
    private let store: IdempotencyStore?
    /// How long a key is remembered.
    private let retentionSeconds: Int

    /// Loads the keys in the store, if there is one.
    /// - Parameters:
    ///   - retention: how long a key is remembered.
    ///   - unixTime: seconds since 1970.
    package init(
        _ store: Store?, retention: Duration, limits: IdempotencyNames.Limits = .init(), unixTime: Int
    ) async throws(StorageError) {
        self.store = store.map(IdempotencyStore.init)
        state = Mutex(IdempotencyNames(limits: limits))
        retentionSeconds = Int(retention.components.seconds)
        guard let store = self.store else { return }
        store.onErase { [weak self] in self?.erase($0) }
        let records = try await store.load(
            since: unixTime.saturatingSubtracting(retentionSeconds - 1), limit: limits.count, maxAnswerBytes: limits.answerBytes)
        state.withLock { state in
            for record in records { store.remove(state.insert(record)) }
        }
    }

    /// Claims a key for a command.
    /// - Parameter responseID: identifier of the response that the command will begin if it is the first; nil for a command that
    ///   begins none.
    func claim(_ name: Name, fingerprint: [UInt8], responseID: String?, unixTime: Int) -> Claim {
        state.withLock { state -> Claim in
            guard let known = state[name], unixTime.saturatingSubtracting(known.createdAt) < retentionSeconds else {
                if let failure = store?.failure { return .unavailable(failure) }
                let record = IdempotencyRecord(
                    owner: name.owner, key: name.key, fingerprint: fingerprint, responseID: responseID, createdAt: unixTime)
                let removed = state.insert(record)
                store?.remove(removed)
                // Before the command writes anything: nothing that it stores later is there without its key.
                store?.put(record)
                return .first
            }
            guard known.fingerprint.isEqualInConstantTime(to: fingerprint) else { return .differs }
            if let responseID = known.responseID { return .response(responseID, createdAt: known.createdAt) }
            if let answer = known.answer, let status = known.status { return .answer(status: status, answer) }
            return known.isErased ? .erased : .running(since: known.createdAt)
        }
    }

    /// Stores the answer of a command before it is sent.
    /// - Parameter then: called on any thread when the answer is stored and may be sent; a client that has it must get the same one
    ///   again.
    func setAnswer(_ name: Name, _ answer: Answer, then: @escaping @Sendable () -> Void) {
        guard answer.body.count <= Self.maxAnswerBytes else {
            release(name, responseID: nil)
            then()
            return
        }
        let isOnItsWay = state.withLock { state in
            guard var record = state[name] else { return false }
            record.answer = answer.body
            record.status = answer.status
            record.object = answer.object
            record.quoted = answer.quoted
            let removed = state.update(record)
            guard let store else { return false }
            store.put(record, then: then)
            store.remove(removed)
            return true
        }
        if !isOnItsWay { then() }
    }

    /// Releases the key of a command without an outcome: the next one with the key is carried out.
    /// - Parameter responseID: the response that the command would have begun; no effect if the key has another by now.
    func release(_ name: Name, responseID: String?) {
        state.withLock { state in
            guard let record = state[name], record.responseID == responseID else { return }
            state.remove(name)
            store?.remove([record])
        }
    }

    /// Releases the key of a failed or cancelled response: a retry begins a new one.
    func release(responseID: String) {
        if let name = state.withLock({ $0.name(ofResponse: responseID) }) { release(name, responseID: responseID) }
    }

    /// Erases the answers that describe or quote deleted sessions, conversations, files, batches or responses. The store erases its
    /// own together with the objects.
    func erase(_ ids: [String]) {
        state.withLock { $0.erase(ids) }
    }

    /// Removes expired keys, a few at a time: in memory, and in the store, so that other commits come in between.
    func sweep(unixTime: Int) async throws(StorageError) {
        let time = unixTime.saturatingSubtracting(retentionSeconds - 1)
        while state.withLock({ $0.removeSome(before: time, limit: Self.maxNamesAtATime) }) == Self.maxNamesAtATime {}
        guard let store else { return }
        while try await store.removeSome(before: time) == IdempotencyStore.maxRowsAtATime {}
    }
}
