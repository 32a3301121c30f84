import API
import HTTP
import Hosting
import Network
import Runners

/// A waiting `GET /v1/runner/work`. Confined to the connection's loop.
final class WorkPoll {
    private enum State {
        case waiting(UInt64, LoopTimer)
        /// An offer is being leased.
        case leasing
        case ended
    }

    private let call: Call
    private let board: RunnerBoard
    private let demand: RunnerBoard.Demand
    private let runner: String?
    private let deadline: Instant
    private var state = State.leasing
    private var isGone = false

    init(_ call: Call, _ board: RunnerBoard, _ demand: RunnerBoard.Demand, runner: String?, wait: Duration) {
        self.call = call
        self.board = board
        self.demand = demand
        self.runner = runner
        deadline = call.loop.now + wait
        call.exchange.onDisconnect = { [self] in disconnected() }
    }

    /// Takes work from the board; if there is none, waits for it until the deadline.
    func begin() {
        let left = call.services.lifecycle.isDraining ? .zero : deadline - call.loop.now
        guard left > .zero else {
            if let offer = board.take(demand) { lease(offer) } else { finishEmpty() }
            return
        }
        let bound = LoopBound(self, on: call.loop)
        let (offer, wait) = board.wait(demand) { offer in bound.loop.execute { bound.value.receive(offer) } }
        if let offer {
            lease(offer)
        } else if let wait {
            state = .waiting(wait, call.loop.schedule(after: left) { [weak self] in self?.timeIsOver() })
        } else {
            state = .ended
            call.fail(
                APIError(
                    status: .tooManyRequests, message: "As many runners wait as may.", type: "rate_limit_error",
                    code: "too_many_runners", retryAfterSeconds: 5))
        }
    }

    private func receive(_ offer: RunnerBoard.Offer?) {
        if case .waiting(_, let timer) = state { timer.cancel() }
        guard let offer else { return finishEmpty() }
        lease(offer)
    }

    private func timeIsOver() {
        // Otherwise an offer is on its way.
        if case .waiting(let id, _) = state, board.stopWaiting(id) { finishEmpty() }
    }

    private func disconnected() {
        isGone = true
        guard case .waiting(let id, let timer) = state, board.stopWaiting(id) else { return }
        timer.cancel()
        state = .ended
    }

    private func lease(_ offer: RunnerBoard.Offer) {
        state = .leasing
        if isGone {
            // The work is offered to another runner.
            offer.call.run { $0.offerAgain() }
            return
        }
        let bound = LoopBound(self, on: call.loop)
        let runner = runner
        offer.call.run { call in
            let work = call.lease(to: runner)
            bound.run { $0.leased(offer, work) }
        }
    }

    private func leased(_ offer: RunnerBoard.Offer, _ work: [UInt8]?) {
        if isGone {
            state = .ended
            if work != nil { offer.call.run { $0.giveBack() } }
        } else if let work {
            state = .ended
            call.respond(json: work)
        } else {
            // The work was cancelled meanwhile.
            begin()
        }
    }

    private func finishEmpty() {
        state = .ended
        if !isGone { call.exchange.respond(.noContent) }
    }
}

/// A waiting `GET /v1/responses/{id}/runner`. Confined to the connection's loop.
final class RunnerWatch {
    private let call: Call
    private let runner: LoopBound<RunnerCall>
    private let id: String
    private let waits: Bool
    private var timer: LoopTimer?
    private var isEnded = false

    init(_ call: Call, _ runner: LoopBound<RunnerCall>, wait: Duration) {
        self.call = call
        self.runner = runner
        id = call.requestID
        waits = wait > .zero
        let id = id
        if waits {
            timer = call.loop.schedule(after: wait) { [self] in
                runner.run { $0.unwatch(id) }
                finish(isActive: true, nil)
            }
        }
        call.exchange.onDisconnect = { [self] in
            isEnded = true
            timer?.cancel()
            runner.run { $0.unwatch(id) }
        }
    }

    /// - Parameter leaseID: the lease whose end is also reported.
    func begin(leaseID: String?) {
        let bound = LoopBound(self, on: call.loop)
        let id = id
        let waits = waits
        runner.run { runner in
            let standing = runner.standing(leaseID: leaseID)
            if !standing.isActive {
                bound.run { $0.finish(isActive: false, standing.summary) }
            } else if !waits {
                bound.run { $0.finish(isActive: true, nil) }
            } else if !runner.watch(id: id, then: { summary in bound.run { $0.finish(isActive: false, summary) } }) {
                bound.run { $0.refuse() }
            }
        }
    }

    private func refuse() {
        guard !isEnded else { return }
        isEnded = true
        timer?.cancel()
        call.fail(
            APIError(
                status: .tooManyRequests, message: "As many calls watch the response as may.", type: "rate_limit_error",
                code: "too_many_watches", retryAfterSeconds: 1))
    }

    func finish(isActive: Bool, _ summary: RunnerCall.Summary?) {
        guard !isEnded else { return }
        isEnded = true
        timer?.cancel()
        RunnerFace.answer(call, isActive: isActive, summary)
    }
}
