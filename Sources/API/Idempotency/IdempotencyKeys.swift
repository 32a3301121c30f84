import Bytes
import HTTP
package import Storage
import Synchronization

/// What the clients' names for their commands stand for, so that a command that is sent again is not carried out again.
package final class IdempotencyKeys: Sendable {
    package typealias Name = IdempotencyNames.Name

    /// Bytes of one answer that is kept to be given again: a name with a larger one is let go.
    static let maxAnswerBytes = 1 << 20
    /// Names that go at a time when their time is over: others wait meanwhile.
    private static let maxNamesAtATime = 500

    /// What a command is told that bears a name.
    enum Claim: Sendable {
        /// It is the first: carry it out.
        case first
        /// It began this response, at this time.
        case response(String, createdAt: Int)
        case answer(status: Int, [UInt8])
        /// It was carried out, and what came of it is deleted.
        case erased
        /// The first is being carried out, since this time.
        case running(since: Int)
        /// The name was used for another command.
        case differs
        /// It is the first, and nothing can be written: what its names and others' would have the store do must not pile up.
        case unavailable(StorageError)
    }

    /// An answer, and what it is kept with.
    struct Answer: Sendable {
        var status: Int
        var body: [UInt8]
        /// The session, conversation, file or batch that it tells of.
        var object: String?
        /// The response whose words it quotes.
        var quoted: String?
    }

    /// What is written for a name is given to the store under this lock: so that it comes there in the order of its changes here.
    private let state: Mutex<IdempotencyNames>
    private let store: IdempotencyStore?
    /// How long a name is remembered.
    private let retentionSeconds: Int

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

    /// - Parameter responseID: the identifier of the response that the command begins, if it is the first; nil for a command that
    ///   begins none.
    func claim(_ name: Name, fingerprint: [UInt8], responseID: String?, unixTime: Int) -> Claim {
        state.withLock { state -> Claim in
            guard let known = state[name], unixTime.saturatingSubtracting(known.createdAt) < retentionSeconds else {
                if let failure = store?.failure { return .unavailable(failure) }
                let record = IdempotencyRecord(
                    owner: name.owner, key: name.key, fingerprint: fingerprint, responseID: responseID, createdAt: unixTime)
                let removed = state.insert(record)
                store?.remove(removed)
                // Before the command writes anything: what comes later into the store is never there without its name.
                store?.put(record)
                return .first
            }
            guard known.fingerprint.isEqualInConstantTime(to: fingerprint) else { return .differs }
            if let responseID = known.responseID { return .response(responseID, createdAt: known.createdAt) }
            if let answer = known.answer, let status = known.status { return .answer(status: status, answer) }
            return known.isErased ? .erased : .running(since: known.createdAt)
        }
    }

    /// The command is about to be answered.
    /// - Parameter then: called on any thread when the answer is kept, and may leave: who has it must get it again.
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

    /// Nothing came of the command: the next one with its name is carried out.
    /// - Parameter responseID: what the command began; when the name stands for another by now, that stays.
    func release(_ name: Name, responseID: String?) {
        state.withLock { state in
            guard let record = state[name], record.responseID == responseID else { return }
            state.remove(name)
            store?.remove([record])
        }
    }

    /// A response failed or was cancelled: whoever asks again wants another.
    func release(responseID: String) {
        if let name = state.withLock({ $0.name(ofResponse: responseID) }) { release(name, responseID: responseID) }
    }

    /// Sessions, conversations, files, batches or responses are deleted: no answer may tell of them or quote them any more. In the store
    /// their answers go with themselves.
    func erase(_ ids: [String]) {
        state.withLock { $0.erase(ids) }
    }

    /// Forgets names whose time is over, a few at a time: here, and in the store, which commits what others wait for in between.
    func sweep(unixTime: Int) async throws(StorageError) {
        let time = unixTime.saturatingSubtracting(retentionSeconds - 1)
        while state.withLock({ $0.removeSome(before: time, limit: Self.maxNamesAtATime) }) == Self.maxNamesAtATime {}
        guard let store else { return }
        while try await store.removeSome(before: time) == IdempotencyStore.maxRowsAtATime {}
    }
}
