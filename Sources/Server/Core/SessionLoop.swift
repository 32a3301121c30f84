import Hosting
import JSON
import Jobs
import Logging
import Network
import ResponsesWire
import Sessions
import Storage
import WebSocket

/// The sessions of one event loop: makes and restores them, and does for them what only the server can. Loop-confined.
///
/// ``Hosting/Residents`` hosts them.
final class SessionLoop: SessionHost {
    let loop: EventLoop
    let model: any Model
    let configuration: ServerConfiguration
    let residents: Residents<Session>
    /// nil: nothing outlives the process.
    private let storage: SessionStorage?
    private let ordinals: SessionOrdinals
    /// Faces and sessions of this loop count here.
    var counters = ServerCounters()
    /// Encodes events of this loop's sessions for readers of the Responses vocabulary.
    let responsesPass = EncodingPass<ResponsesEncoder>()
    /// Who pays for what ends here.
    var metering: Metering?
    /// Who holds answers that tell of sessions.
    var idempotency: IdempotencyKeys?
    /// Those that want to know when responses of this loop begin and end, besides the loop itself.
    private var listeners: [any GenerationListener] = []

    init(
        loop: EventLoop, model: any Model, residency: Residency<Session>, configuration: ServerConfiguration, loopCount: Int,
        budget: MemoryBudget, store: Store?, ordinals: SessionOrdinals
    ) {
        storage = store.map { SessionStorage(loop: loop, store: $0) }
        self.ordinals = ordinals
        self.loop = loop
        self.model = model
        self.configuration = configuration
        residents = Residents(
            loop: loop, residency: residency, journal: storage?.journal, memory: LoopMemory(loop: loop, budget: budget),
            limits: Residents.Limits(
                maxByteCount: configuration.maxLogMemoryBytes / loopCount, residency: configuration.residency,
                retention: configuration.retention))
        residents.onForget = { [weak self] session in self?.idempotency?.erase([session.id]) }
    }

    // MARK: Sessions

    /// - Parameters:
    ///   - isEphemeral: it is forgotten as soon as nothing runs and nobody reads.
    ///   - isDurable: it is kept in the store, if there is one; not if it is ephemeral.
    func makeSession(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool = false, isDurable: Bool = true
    ) -> SessionReference {
        makeResident(
            id: id, owner: owner, defaults: defaults, mode: mode, policy: policy, metadata: metadata, isEphemeral: isEphemeral,
            isDurable: isDurable
        ).reference
    }

    /// As ``makeSession(id:owner:defaults:mode:policy:metadata:isEphemeral:isDurable:)``; the session itself is for this loop alone.
    /// - Parameter forking: the response that it goes on from, and the conversation that it begins with.
    func makeResident(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool, isDurable: Bool,
        forking: (generation: Generation, items: [Item])? = nil
    ) -> (session: Session, reference: SessionReference) {
        let ordinal = ordinals.next()
        let log = isDurable && !isEphemeral ? storage.map { makeLog($0, ordinal: ordinal) } : nil
        let session = Session(
            id: id, owner: owner, host: self, defaults: defaults, mode: mode, policy: policy, metadata: metadata, forking: forking,
            limits: configuration.sessionLimits, log: log)
        return (session, house(session, log, ordinal: ordinal, isEphemeral: isEphemeral))
    }

    /// Brings a session back from the store; what had not ended in it goes on.
    /// - Throws: what of it cannot be read.
    func restore(_ loaded: Store.LoadedSession) throws -> SessionReference? {
        guard let storage else { return nil }
        let log = DurableLog(storage: storage, restoring: loaded, maxBytes: configuration.residentLogBytes)
        let session = try Session(restoring: loaded.session, host: self, log: log, limits: configuration.sessionLimits)
        let reference = house(session, log, ordinal: loaded.ordinal, isEphemeral: false)
        for generation in session.generations {
            residents.residency.insert(alias: generation.id, of: session.id)
            if !generation.status.isTerminal, let keyID = generation.keyID {
                metering?.resume(generation.id, owner: session.owner, keyID: keyID, now: loop.now)
            }
        }
        session.recover()
        return reference
    }

    private func makeLog(_ storage: SessionStorage, ordinal: Int) -> DurableLog {
        DurableLog(storage: storage, key: storage.makeKey(), ordinal: ordinal, maxBytes: configuration.residentLogBytes)
    }

    private func house(_ session: Session, _ log: DurableLog?, ordinal: Int, isEphemeral: Bool) -> SessionReference {
        log?.header = { [weak session] ordinal in session?.header(ordinal) }
        log?.onLoss = { [weak self, weak session] in session.map { self?.residents.abandon($0) } }
        let lifetime: Lifetime = log != nil ? .stored : isEphemeral ? .untilIdle : .inMemory
        return SessionReference(residents.insert(session, ordinal: ordinal, lifetime: lifetime))
    }

    /// Deletes a session: cancels what runs and tells those who follow.
    func forget(_ session: Session) { residents.forget(session) }

    // MARK: Counts

    var activeCount: Int { residents.workingCount }
    /// - Parameter ids: of sessions that do not count.
    func activeCount(besides ids: Set<String>) -> Int {
        residents.objects.count { $0.isWorking && !ids.contains($0.id) }
    }
    var queuedCount: Int { residents.waitingCount }

    /// Whether so much is held for clients that nothing new may begin.
    func isOverloaded() -> Bool {
        guard residents.memory.isBudgetExceeded() else { return false }
        counters.overloads += 1
        return true
    }

    // MARK: Draining

    /// Whether nothing runs any more, and nobody is owed a byte.
    var isDrained: Bool { residents.isDrained && loop.census().unfinished == 0 }

    // MARK: SessionHost

    var unixTime: Int { loop.unixTime }

    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        let timer = loop.schedule(after: delay, action)
        return { timer.cancel() }
    }

    func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        WorkerPool.shared.run(for: owner, on: loop, work, then: then)
    }

    /// The upstream is closed; the acknowledgement leaves at the end of this turn, which began when the command came.
    func interrupted(_ generation: Generation) {
        let came = loop.now
        loop.afterFlush { [weak self] in
            guard let self else { return }
            self.counters.interruptLatency.record(self.loop.clock.now - came)
        }
    }

    func forgot(responseID: String) { residents.residency.remove(alias: responseID) }

    var generationListeners: [any GenerationListener] { [self] + listeners }

    /// Has a listener told of the responses of all sessions of this loop, behind those that were added before.
    func add(listener: any GenerationListener) { listeners.append(listener) }

    /// Whether a session can be asked for after its connection is gone.
    func isStored(_ sessionID: String) -> Bool {
        switch residents.lifetime(of: sessionID) {
        case .inMemory, .stored: true
        case .untilIdle, nil: false
        }
    }

    func applied(_ policy: QueuePolicy, toEvents count: Int) { counters.countCatchUp(policy, events: count) }
}

/// The loop's own count and log.
extension SessionLoop: GenerationListener {
    func ended(_ generation: Generation) {
        counters.countEnd(of: generation)
        log(
            "response ended", generation,
            ["status": "\(generation.status.name)", "events": .stringConvertible(generation.eventCount)])
    }
}
