package import Network
import Synchronization

/// Where generations are offered to runners, and runners wait for them. Shared by all loops, behind one lock that is held briefly.
///
/// A generation goes to one runner at a time: it is taken off the board while the lock is held.
package final class RunnerBoard: Sendable {
    /// A generation that no runner works on.
    package struct Offer: Sendable {
        package let responseID: String
        package let owner: String
        package let model: String
        package let call: LoopBound<RunnerCall>
    }

    /// The generations that a runner accepts.
    package struct Demand: Sendable {
        /// nil: of any owner.
        package let owner: String?
        /// Names of models, or prefixes followed by `*`; empty: all models.
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

    /// A generation that has ended, remembered for a runner that repeats its last post.
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

    /// Called with an offer, or with nil when the server stops; on any loop.
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
        /// Generations that wait for a runner (`offered`), and those that a runner works on (`leased`).
        package var offered = 0
        package var leased = 0
        /// Runners that wait for a generation.
        package var waitingRunners = 0
        package var leases: UInt64 = 0
        /// Number of failures by error code; a lost lease counts even if another runner took over.
        package var failures: [String: UInt64] = [:]
    }

    /// Maximum number of generations that wait for a runner, in all and of one owner, so that others always have room.
    static let maxOffers = 1024
    static let maxOffersPerOwner = maxOffers / 4 * 3
    /// Maximum number of runners that wait for a generation, in all and of one owner.
    static let maxWaiting = 1024
    static let maxWaitingPerOwner = maxWaiting / 4 * 3
    /// Maximum number of ended generations that are remembered.
    private static let maxEnded = 4096

    private let state = Mutex(State())

    package init() {}

    /// Counts a generation that a runner has taken.
    func noteLease() { state.withLock { $0.leases += 1 } }

    /// Counts a failure: `no_runner`, `runner_busy` or `runner_lost`.
    func noteFailure(_ code: String) { state.withLock { $0.failures[code, default: 0] += 1 } }

    package var statistics: Statistics {
        state.withLock { state in
            let running = state.places.values.count { if case .running = $0 { true } else { false } }
            return Statistics(
                offered: state.offers.count, leased: max(0, running - state.offers.count), waitingRunners: state.waiting.count,
                leases: state.leases, failures: state.failures)
        }
    }

    /// Offers a generation to a waiting runner, or else to the next one that asks.
    /// - Returns: false if the maximum number of generations already waits.
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

    /// Takes the oldest offer that meets the demand.
    package func take(_ demand: Demand) -> Offer? {
        state.withLock { state in
            state.offers.firstIndex(where: demand.takes).map { state.offers.remove(at: $0) }
        }
    }

    /// Takes an offer that meets the demand, or waits for one.
    /// - Returns: the offer, or the identifier of the wait; neither if the maximum number of runners already waits.
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

    /// - Returns: false if an offer is already on its way.
    package func stopWaiting(_ id: UInt64) -> Bool {
        state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0.id == id }) else { return false }
            state.waiting.remove(at: place)
            return true
        }
    }

    /// Dismisses all waiting runners, because the server stops.
    package func dismissWaiting() {
        let receivers = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting.map(\.receiver)
        }
        for receiver in receivers { receiver(nil) }
    }

    /// A generation that was offered to runners: running, or ended and still remembered.
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
