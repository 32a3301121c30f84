package import Hosting
package import JSON
import Logging
package import Network
package import Sessions
package import Storage

/// The sessions of one event loop: creates and restores them, and provides the server's services to them. Loop-confined.
///
/// ``Hosting/Residents`` hosts them.
package final class SessionLoop: SessionHost {
    /// The loop that the sessions live on.
    package let loop: EventLoop
    /// The models of all sessions.
    package let model: any Model
    let settings: SessionSettings
    /// The sessions.
    package let residents: Residents<Session>
    /// Nil if sessions exist in memory only.
    private let storage: SessionStorage?
    private let ordinals: SessionOrdinals
    /// Counts of this loop.
    package var counters = SessionCounters()
    /// Encode events for this loop's readers.
    package let passes = EncodingPasses()
    /// Nil without accounting.
    let accounting: (any SessionAccounting)?
    /// Listeners for the beginnings and ends of this loop's responses, besides the loop itself.
    private let listeners: [any GenerationListener]

    /// - Parameters:
    ///   - memory: this loop's share of the memory budget.
    ///   - loopCount: number of loops in the process, by which ``SessionSettings/maxLogMemoryBytes`` is divided.
    ///   - listeners: makes the listeners for responses of this loop, given its sessions.
    package init(
        loop: EventLoop, model: any Model, residency: Residency<Session>, settings: SessionSettings, memory: LoopMemory,
        loopCount: Int, store: Store?, ordinals: SessionOrdinals, accounting: (any SessionAccounting)? = nil,
        listeners: (Residents<Session>) -> [any GenerationListener] = { _ in [] }
    ) {
        storage = store.map { SessionStorage(loop: loop, store: $0) }
        self.ordinals = ordinals
        self.loop = loop
        self.model = model
        self.settings = settings
        self.accounting = accounting
        residents = Residents(
            loop: loop, residency: residency, journal: storage?.journal, memory: memory,
            limits: Residents.Limits(
                maxByteCount: settings.maxLogMemoryBytes / loopCount, residency: settings.residency,
                retention: settings.retention),
            onForget: { session in accounting?.erase([session.id]) })
        self.listeners = listeners(residents)
    }

    // MARK: Sessions

    /// Creates a session.
    /// - Parameters:
    ///   - isEphemeral: whether it is forgotten as soon as it is idle.
    ///   - isDurable: whether it is stored, if there is a store; ignored if ephemeral.
    package func makeSession(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool = false, isDurable: Bool = true
    ) -> SessionReference {
        makeResident(
            id: id, owner: owner, defaults: defaults, mode: mode, policy: policy, metadata: metadata, isEphemeral: isEphemeral,
            isDurable: isDurable
        ).reference
    }

    /// Like ``makeSession(id:owner:defaults:mode:policy:metadata:isEphemeral:isDurable:)``, for code on this loop.
    /// - Parameter forking: the response that it continues, and its initial conversation.
    func makeResident(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool, isDurable: Bool,
        forking: (generation: Generation, items: [Item])? = nil
    ) -> (session: Session, reference: SessionReference) {
        let ordinal = ordinals.next()
        let logOwner = LogOwner(in: residents)
        let log = isDurable && !isEphemeral ? storage.map { makeLog($0, ordinal: ordinal, of: logOwner) } : nil
        let session = Session(
            id: id, owner: owner, host: self, defaults: defaults, mode: mode, policy: policy, metadata: metadata, forking: forking,
            limits: settings.limits, log: log)
        logOwner.session = session
        return (session, house(session, log, ordinal: ordinal, isEphemeral: isEphemeral))
    }

    /// Restores a stored session; unfinished work continues.
    /// - Throws: an error if a part of it cannot be read.
    func restore(_ loaded: Store.LoadedSession) throws -> SessionReference? {
        guard let storage else { return nil }
        let owner = LogOwner(in: residents)
        let log = DurableLog(
            storage: storage, restoring: loaded, maxBytes: settings.residentLogBytes, header: owner.header, onLoss: owner.abandon)
        let session = try Session(restoring: loaded.session, host: self, log: log, limits: settings.limits)
        owner.session = session
        let reference = house(session, log, ordinal: loaded.ordinal, isEphemeral: false)
        for generation in session.generations {
            residents.residency.insert(alias: generation.id, of: session.id)
            if !generation.status.isTerminal, let keyID = generation.keyID {
                accounting?.resume(generation.id, owner: session.owner, keyID: keyID, now: loop.now)
            }
        }
        session.recover()
        return reference
    }

    private func makeLog(_ storage: SessionStorage, ordinal: Int, of owner: LogOwner) -> DurableLog {
        DurableLog(
            storage: storage, key: storage.makeKey(), ordinal: ordinal, maxBytes: settings.residentLogBytes, header: owner.header,
            onLoss: owner.abandon)
    }

    private func house(_ session: Session, _ log: DurableLog?, ordinal: Int, isEphemeral: Bool) -> SessionReference {
        let lifetime: Lifetime = log != nil ? .stored : isEphemeral ? .untilIdle : .inMemory
        return SessionReference(residents.insert(session, ordinal: ordinal, lifetime: lifetime))
    }

    /// Deletes a session: cancels its work and notifies its followers.
    package func forget(_ session: Session) { residents.forget(session) }

    // MARK: Counts

    /// Number of sessions with current work.
    package var activeCount: Int { residents.workingCount }
    /// Number of sessions with current work, without those in `ids`.
    package func activeCount(besides ids: Set<String>) -> Int {
        residents.objects.count { $0.isWorking && !ids.contains($0.id) }
    }
    /// Number of waiting requests.
    package var queuedCount: Int { residents.waitingCount }

    /// Whether too much memory is in use for new work to begin.
    package func isOverloaded() -> Bool {
        guard residents.memory.isBudgetExceeded() else { return false }
        counters.overloads += 1
        return true
    }

    // MARK: Draining

    /// Whether no work runs and no output is pending.
    package var isDrained: Bool { residents.isDrained && loop.census().unfinished == 0 }

    // MARK: SessionHost

    package var unixTime: Int { loop.unixTime }

    package func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        let timer = loop.schedule(after: delay, action)
        return { timer.cancel() }
    }

    package func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        WorkerPool.shared.run(for: owner, on: loop, work, then: then)
    }

    /// The upstream is closed; the acknowledgement leaves at the end of this iteration, which began with the command.
    package func interrupted(_ generation: Generation) {
        let came = loop.now
        loop.afterFlush { [weak self] in
            guard let self else { return }
            self.counters.interruptLatency.record(self.loop.clock.now - came)
        }
    }

    package func forgot(responseID: String) { residents.residency.remove(alias: responseID) }

    package var generationListeners: [any GenerationListener] { [self] + listeners }

    package func applied(_ policy: QueuePolicy, toEvents count: Int) { counters.countCatchUp(policy, events: count) }
}

/// The session that a log belongs to, which is made after it. Retains neither.
private final class LogOwner {
    weak var session: Session?
    private weak var residents: Residents<Session>?

    init(in residents: Residents<Session>) { self.residents = residents }

    func header(_ ordinal: Int) -> ResponseHeader? { session?.header(ordinal) }

    /// Drops the session, because memory no longer matches the store.
    func abandon() { if let session { residents?.abandon(session) } }
}

/// The loop's own count and log.
extension SessionLoop: GenerationListener {
    package func ended(_ generation: Generation) {
        counters.countEnd(of: generation)
        log(
            "response ended", generation,
            ["status": "\(generation.status.name)", "events": .stringConvertible(generation.eventCount)])
    }
}
