import DequeModule
import HTTP
import Storage
import Synchronization

/// What the clients' names for their commands stand for, so that a command that is sent again is not carried out again.
final class IdempotencyKeys: Sendable {
    /// Names remembered at a time; beyond it the oldest go.
    static let maxRecords = 100_000
    /// Bytes of one answer that is kept to be given again, and of all of them; beyond it the oldest names go.
    static let maxAnswerBytes = 1 << 20
    static let maxAllAnswerBytes = 64 << 20

    struct Name: Hashable, Sendable {
        var owner: String
        var key: String
    }

    /// What a command is told that bears a name.
    enum Claim: Sendable {
        /// It is the first: carry it out.
        case first
        /// It began this response, at this time.
        case response(String, createdAt: Int)
        case answer(status: Int, [UInt8])
        /// The first is being carried out, since this time.
        case running(since: Int)
        /// The name was used for another command.
        case differs
    }

    private struct State {
        var records: [Name: IdempotencyRecord] = [:]
        /// By age. A name may stand here longer than its record.
        var order: Deque<(name: Name, createdAt: Int)> = []
        var names: [String: Name] = [:]
        var answerBytes = 0

        mutating func remove(_ name: Name) {
            guard let record = records.removeValue(forKey: name) else { return }
            answerBytes -= record.answer?.count ?? 0
            if let id = record.responseID { names[id] = nil }
        }

        /// The oldest name goes, unless it was used anew since.
        mutating func removeOldest() {
            guard let (name, createdAt) = order.popFirst() else { return }
            if records[name]?.createdAt == createdAt { remove(name) }
        }
    }

    private let state = Mutex(State())
    private let store: IdempotencyStore?
    /// How long a name is remembered.
    private let retentionSeconds: Int

    init(_ store: Store?, retention: Duration, unixTime: Int) async throws(StorageError) {
        self.store = store.map(IdempotencyStore.init)
        retentionSeconds = Int(retention.components.seconds)
        guard let records = try await self.store?.load(since: unixTime - retentionSeconds, limit: Self.maxRecords) else { return }
        state.withLock { state in
            for record in records {
                // A command whose answer was not there when the process ended may be carried out again.
                if record.responseID == nil, record.answer == nil { continue }
                Self.insert(record, &state)
            }
        }
    }

    /// - Parameter responseID: the identifier of the response that the command begins, if it is the first; nil for a command that
    ///   begins none.
    func claim(_ name: Name, fingerprint: [UInt8], responseID: String?, unixTime: Int) -> Claim {
        let record = IdempotencyRecord(
            owner: name.owner, key: name.key, fingerprint: fingerprint, responseID: responseID, createdAt: unixTime)
        let claim = state.withLock { state -> Claim in
            makeRoom(&state, unixTime)
            guard let known = state.records[name], unixTime - known.createdAt < retentionSeconds else {
                Self.insert(record, &state)
                return .first
            }
            guard SHA256.areEqual(known.fingerprint, fingerprint) else { return .differs }
            if let responseID = known.responseID { return .response(responseID, createdAt: known.createdAt) }
            if let answer = known.answer, let status = known.status { return .answer(status: status, answer) }
            return .running(since: known.createdAt)
        }
        // Before the command writes anything: what comes later into the store is never there without its name.
        if case .first = claim { store?.put(record) }
        return claim
    }

    /// The command is about to be answered.
    /// - Parameter then: called on any thread when the answer is kept, and may leave: who has it must get it again.
    func setAnswer(_ name: Name, status: Int, _ body: [UInt8], then: @escaping @Sendable () -> Void) {
        guard body.count <= Self.maxAnswerBytes else {
            release(name, responseID: nil)
            then()
            return
        }
        let record = state.withLock { state in
            guard var record = state.records[name] else { return nil as IdempotencyRecord? }
            record.answer = body
            record.status = status
            state.records[name] = record
            state.answerBytes += body.count
            while state.answerBytes > Self.maxAllAnswerBytes { state.removeOldest() }
            return record
        }
        if let record, let store { store.put(record, then: then) } else { then() }
    }

    /// Nothing came of the command: the next one with its name is carried out.
    /// - Parameter responseID: what the command began; when the name stands for another by now, that stays.
    func release(_ name: Name, responseID: String?) {
        let isRemoved = state.withLock { state in
            guard let record = state.records[name], record.responseID == responseID else { return false }
            state.remove(name)
            return true
        }
        if isRemoved { store?.remove(owner: name.owner, key: name.key) }
    }

    /// A response failed or was cancelled: whoever asks again wants another.
    func release(responseID: String) {
        if let name = state.withLock({ $0.names[responseID] }) { release(name, responseID: responseID) }
    }

    private static func insert(_ record: IdempotencyRecord, _ state: inout State) {
        let name = Name(owner: record.owner, key: record.key)
        state.remove(name)
        state.records[name] = record
        state.answerBytes += record.answer?.count ?? 0
        state.order.append((name, record.createdAt))
        if let id = record.responseID { state.names[id] = name }
    }

    private func makeRoom(_ state: inout State, _ unixTime: Int) {
        while let first = state.order.first, unixTime - first.createdAt >= retentionSeconds || state.order.count >= Self.maxRecords
        {
            state.removeOldest()
        }
    }
}
