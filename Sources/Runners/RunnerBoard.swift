package import Network
import Synchronization

/// Where generations that a runner is to answer are offered, and runners wait for them: what loops share, behind one short lock.
///
/// A generation is handed to one runner at a time: it leaves the board with the lock held.
package final class RunnerBoard: Sendable {
    /// A generation that nobody works on.
    package struct Offer: Sendable {
        package let responseID: String
        package let owner: String
        package let model: String
        package let call: LoopBound<RunnerCall>
    }

    /// What a runner takes.
    package struct Demand: Sendable {
        /// nil: anybody's.
        package let owner: String?
        /// Names, or beginnings of names before a `*`; empty: all.
        package let models: [String]

        package init(owner: String?, models: [String]) {
            self.owner = owner
            self.models = models
        }

        func takes(_ offer: Offer) -> Bool {
            guard owner == nil || owner == offer.owner else { return false }
            return models.isEmpty
                || models.contains { $0.hasSuffix("*") ? offer.model.hasPrefix($0.dropLast()) : offer.model == $0 }
        }
    }

    /// A generation that has ended, remembered for a runner that sends its last post again.
    package struct Ended: Sendable {
        let owner: String
        package let leaseID: String?
        package let lastPost: Int
        package let summary: RunnerCall.Summary
    }

    package enum Place: Sendable {
        case running(owner: String, LoopBound<RunnerCall>)
        case ended(Ended)

        package var owner: String {
            switch self {
            case .running(let owner, _): owner
            case .ended(let ended): ended.owner
            }
        }
    }

    /// Gets an offer, or nil when the server stops; on any loop.
    package typealias Receiver = @Sendable (Offer?) -> Void

    private struct State {
        var offers: [Offer] = []
        var waiting: [(id: UInt64, demand: Demand, receiver: Receiver)] = []
        var places: [String: Place] = [:]
        var endedIDs: [String] = []
        var nextID: UInt64 = 0
        var leases: UInt64 = 0
        var failures: [String: UInt64] = [:]
    }

    /// For metrics.
    package struct Statistics: Sendable {
        /// Generations that wait for a runner, and those that one works on.
        package var offered = 0
        package var leased = 0
        /// Runners that wait for a generation.
        package var waitingRunners = 0
        package var leases: UInt64 = 0
        /// Why generations got no answer, by code; a lost lease counts also when another runner took over.
        package var failures: [String: UInt64] = [:]
    }

    /// Generations that wait for a runner, of all and of one owner: there is always room for another's.
    static let maxOffers = 1024
    static let maxOffersPerOwner = maxOffers / 4 * 3
    /// Runners that wait for a generation, of all and of one owner.
    static let maxWaiting = 1024
    static let maxWaitingPerOwner = maxWaiting / 4 * 3
    /// Ended generations that are remembered.
    private static let maxEnded = 4096

    private let state = Mutex(State())

    package init() {}

    /// A runner has taken a generation.
    func noteLease() { state.withLock { $0.leases += 1 } }

    /// `no_runner`, `runner_busy` or `runner_lost`.
    func noteFailure(_ code: String) { state.withLock { $0.failures[code, default: 0] += 1 } }

    package var statistics: Statistics {
        state.withLock { state in
            let running = state.places.values.count { if case .running = $0 { true } else { false } }
            return Statistics(
                offered: state.offers.count, leased: max(0, running - state.offers.count), waitingRunners: state.waiting.count,
                leases: state.leases, failures: state.failures)
        }
    }

    /// Offers a generation to whoever waits, or will.
    /// - Returns: false when as many wait as may.
    package func offer(_ offer: Offer) -> Bool {
        let (isTaken, receiver) = state.withLock { state -> (Bool, Receiver?) in
            state.places[offer.responseID] = .running(owner: offer.owner, offer.call)
            if let place = state.waiting.firstIndex(where: { $0.demand.takes(offer) }) {
                return (true, state.waiting.remove(at: place).receiver)
            }
            let isFull =
                state.offers.count >= Self.maxOffers
                || state.offers.count >= Self.maxOffersPerOwner
                    && state.offers.count { $0.owner == offer.owner } >= Self.maxOffersPerOwner
            if isFull { return (false, nil) }
            state.offers.append(offer)
            return (true, nil)
        }
        receiver?(offer)
        return isTaken
    }

    /// Takes a generation off the board.
    package func withdraw(_ responseID: String) {
        state.withLock { $0.offers.removeAll { $0.responseID == responseID } }
    }

    /// The oldest offer that is wanted.
    package func take(_ demand: Demand) -> Offer? {
        state.withLock { state in
            state.offers.firstIndex(where: demand.takes).map { state.offers.remove(at: $0) }
        }
    }

    /// Waits for an offer, unless there is one: then that.
    /// - Returns: nil for the wait when as many wait as may.
    package func wait(_ demand: Demand, _ receiver: @escaping Receiver) -> (offer: Offer?, wait: UInt64?) {
        state.withLock { state in
            if let place = state.offers.firstIndex(where: demand.takes) { return (state.offers.remove(at: place), nil) }
            guard state.waiting.count < Self.maxWaiting,
                state.waiting.count < Self.maxWaitingPerOwner
                    || state.waiting.count(where: { $0.demand.owner == demand.owner }) < Self.maxWaitingPerOwner
            else { return (nil, nil) }
            state.nextID += 1
            state.waiting.append((state.nextID, demand, receiver))
            return (nil, state.nextID)
        }
    }

    /// - Returns: false when an offer is on its way already.
    package func stopWaiting(_ id: UInt64) -> Bool {
        state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0.id == id }) else { return false }
            state.waiting.remove(at: place)
            return true
        }
    }

    /// Lets all go that wait: the server stops.
    package func dismissWaiting() {
        let receivers = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting.map(\.receiver)
        }
        for receiver in receivers { receiver(nil) }
    }

    /// Where a generation is that a runner has or had to do with.
    package func place(of responseID: String) -> Place? { state.withLock { $0.places[responseID] } }

    package func end(_ responseID: String, _ ended: Ended) {
        state.withLock { state in
            state.offers.removeAll { $0.responseID == responseID }
            state.places[responseID] = .ended(ended)
            state.endedIDs.append(responseID)
            if state.endedIDs.count > Self.maxEnded { state.places[state.endedIDs.removeFirst()] = nil }
        }
    }
}
