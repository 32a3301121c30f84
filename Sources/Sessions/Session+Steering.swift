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
    weak var queue: ResponseQueue?
    let responseID: String
    let steers: [PendingSteer]
}

extension TakenSteers {
    /// The response that took them was withdrawn: they wait again.
    func giveBack() {
        guard let queue, queue.lifecycle != .closed, let target = queue.response(responseID) else { return }
        target.steers.pending = steers + target.pendingSteers
        target.store()
    }
}

/// Steers that wait: kept with the response that they steer, over connections and restarts, until a response takes them.
extension Session {
    /// Keeps a steer for the response that goes on from this one.
    public func keep(_ steer: PendingSteer, for target: Generation) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard target.pendingSteers.count < PendingSteer.maxCount else { throw .tooManyPendingSteers(limit: PendingSteer.maxCount) }
        let waiting = target.pendingSteers.flatMap(\.items) + steer.items
        try checkIdentifiers(of: waiting, keepsActive: true)
        try conversation.checkRoom(for: waiting)
        target.steers.pending.append(steer)
        target.store()
    }

    /// Takes a steer back whose sender was told that it was not kept.
    public func withdraw(steerID: String, from target: Generation) {
        target.steers.pending.removeAll { $0.id == steerID }
        target.store()
    }

    /// The response that an input goes on from, if steers wait at it.
    func steeredPredecessor(of input: Input) -> Generation? {
        let named = input.previousResponseID.flatMap { queue.response($0) }
        return (named ?? generations.last).flatMap { $0.pendingSteers.isEmpty ? nil : $0 }
    }

    /// A response has taken them.
    public func takeSteers(of target: Generation, for taker: Generation) {
        if target.pendingSteers.isEmpty { return }
        taker.steers.taken = TakenSteers(queue: queue, responseID: target.id, steers: target.pendingSteers)
        target.steers.pending = []
        target.store()
    }
}
