/// A steer that came when a response had ended with calls of tools: it waits for the response that brings their outputs.
public struct PendingSteer: Sendable {
    public let id: String
    public let items: [Item]

    public init(id: String, items: [Item]) {
        self.id = id
        self.items = items
    }

    /// Of one response.
    public static let maxCount = 8
}

/// Steers that a response took from another one, as long as it may be withdrawn.
struct TakenSteers {
    /// That of the other one, which may be gone.
    weak var session: Session?
    let responseID: String
    let steers: [PendingSteer]
}

/// Steers that wait: kept with the response that they steer, over connections and restarts, until a response takes them.
extension Session {
    /// Keeps a steer for the response that goes on from this one.
    public func keep(_ steer: PendingSteer, for target: Generation) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard target.pendingSteers.count < PendingSteer.maxCount else { throw .tooManyPendingSteers(limit: PendingSteer.maxCount) }
        let waiting = target.pendingSteers.flatMap(\.items) + steer.items
        try checkIdentifiers(of: waiting, keepsActive: true)
        guard conversationByteCount + waiting.reduce(0, { $0 + $1.byteCount }) <= limits.maxConversationBytes else {
            throw .conversationTooLarge(limitBytes: limits.maxConversationBytes)
        }
        target.pendingSteers.append(steer)
        log.store(.response(GenerationRecord(target)))
    }

    /// Takes a steer back whose sender was told that it was not kept.
    public func withdraw(steerID: String, from target: Generation) {
        target.pendingSteers.removeAll { $0.id == steerID }
        log.store(.response(GenerationRecord(target)))
    }

    /// The response that an input goes on from, if steers wait at it.
    func steeredPredecessor(of input: Input) -> Generation? {
        let named = input.previousResponseID.flatMap { id in generations.last { $0.id == id } }
        return (named ?? generations.last).flatMap { $0.pendingSteers.isEmpty ? nil : $0 }
    }

    /// A response has taken them.
    public func takeSteers(of target: Generation, for taker: Generation) {
        if target.pendingSteers.isEmpty { return }
        taker.takenSteers = TakenSteers(session: self, responseID: target.id, steers: target.pendingSteers)
        target.pendingSteers = []
        log.store(.response(GenerationRecord(target)))
    }

    /// The response that took them was withdrawn: they wait again.
    func giveBack(_ steers: [PendingSteer], to responseID: String) {
        guard !isClosed, let target = generations.last(where: { $0.id == responseID }) else { return }
        target.pendingSteers = steers + target.pendingSteers
        log.store(.response(GenerationRecord(target)))
    }
}
