/// A steer that arrived after a response had ended with tool calls: it waits for the response that brings their outputs.
public struct PendingSteer: Sendable {
    /// The steer's identifier.
    public let id: String
    /// Its items.
    public let items: [Item]

    /// A steer with these items.
    public init(id: String, items: [Item]) {
        self.id = id
        self.items = items
    }

    /// Maximum number for one response.
    public static let maxCount = 8
}

/// Steers that a response took over from another, until it can no longer be withdrawn.
struct TakenSteers {
    /// The queue of the other response, which may be gone.
    weak var queue: ResponseQueue?
    let responseID: String
    let steers: [PendingSteer]
}

extension TakenSteers {
    /// The response was withdrawn: its steers wait again.
    func giveBack() {
        guard let queue, queue.lifecycle != .closed, let target = queue.response(responseID) else { return }
        target.steers.pending = steers + target.pendingSteers
        target.store()
    }
}

/// Pending steers: stored with the response that they steer, across connections and restarts, until another response takes them
/// over.
extension Session {
    /// Adds a pending steer to a response, for its successor.
    public func keep(_ steer: PendingSteer, for target: Generation) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard target.pendingSteers.count < PendingSteer.maxCount else { throw .tooManyPendingSteers(limit: PendingSteer.maxCount) }
        let waiting = target.pendingSteers.flatMap(\.items) + steer.items
        try checkIdentifiers(of: waiting, keepsActive: true)
        try conversation.checkRoom(for: waiting)
        target.steers.pending.append(steer)
        target.store()
    }

    /// Withdraws a steer whose sender was told that it was not committed.
    public func withdraw(steerID: String, from target: Generation) {
        target.steers.pending.removeAll { $0.id == steerID }
        target.store()
    }

    /// The response that an input continues, if it has pending steers.
    func steeredPredecessor(of input: Input) -> Generation? {
        let named = input.previousResponseID.flatMap { queue.response($0) }
        return (named ?? generations.last).flatMap { $0.pendingSteers.isEmpty ? nil : $0 }
    }

    /// Moves the pending steers of a response to its successor.
    public func takeSteers(of target: Generation, for taker: Generation) {
        if target.pendingSteers.isEmpty { return }
        taker.steers.taken = TakenSteers(queue: queue, responseID: target.id, steers: target.pendingSteers)
        target.steers.pending = []
        target.store()
    }
}
