import Bytes
package import JSON
import Network
import Sessions

/// One generation that a runner answers: offered, leased to one runner at a time, ended. Confined to the session's loop.
package final class RunnerCall: ModelCall {
    enum State {
        case offered(LoopTimer)
        case leased(id: String, LoopTimer)
        case ended
    }

    /// The state of the response, as its runner is told.
    package struct Summary: Sendable {
        package var responseID: String
        package var status: String
        /// Why it was cut: `steered`, `interrupted`, …
        package var reason: String?

        package init(responseID: String, status: String, reason: String? = nil) {
            self.responseID = responseID
            self.status = status
            self.reason = reason
        }

        package func write(to writer: inout JSONObjectWriter) {
            writer.field("id", responseID)
            writer.field("status", status)
            writer.field("reason", reason)
        }
    }

    package enum Outcome: Sendable {
        case taken(Summary, isRepeated: Bool)
        case notActive(Summary)
        case refused(RunnerRefusal)
    }

    /// Maximum number of leases of one generation if their runners post nothing.
    private static let maxAttempts = 3
    private static let maxWatches = 16

    let responseID: String
    let owner: String
    let options: RunnerOptions
    let loop: EventLoop
    private let board: RunnerBoard
    private let request: ModelRequest
    private let sessionID: String
    /// nil once the end has been reported.
    var sink: GenerationSink?
    var state = State.ended
    private var attempts = 0
    /// Number of the last post that was accepted in this lease.
    var lastPost = 0
    var lastLeaseID: String?
    var hasSaid = false
    var isHeld = false
    var leaseEnds = Instant(nanoseconds: 0)
    private var watches: [String: @Sendable (Summary) -> Void] = [:]

    init(
        _ request: ModelRequest, for sink: GenerationSink, on loop: EventLoop, board: RunnerBoard, options: RunnerOptions
    ) {
        self.request = request
        self.sink = sink
        responseID = sink.responseID
        sessionID = sink.sessionID
        owner = sink.owner
        self.loop = loop
        self.board = board
        self.options = options
    }

    // MARK: ModelCall

    package func cancel() {
        if case .ended = state { return }
        ended()
    }

    package func pause() { isHeld = true }
    package func resume() { isHeld = false }

    // MARK: Offers and leases

    func offer() {
        let offer = RunnerBoard.Offer(
            responseID: responseID, owner: owner, model: request.parameters.model, call: LoopBound(self, on: loop))
        state = .offered(
            loop.schedule(after: options.offerTimeout) { [weak self] in
                guard let self, case .offered = self.state else { return }
                let seconds = self.options.offerTimeout.secondsText
                self.fail("no_runner", 503, "No runner took the request within \(seconds) s: does one ask GET /v1/runner/work?")
            })
        if !board.offer(offer) {
            // In a later iteration: the session is still beginning the response.
            loop.schedule(after: .zero) { [weak self] in
                self?.fail("runner_busy", 503, "As many requests wait for runners as may. Try again later.")
            }
        }
    }

    /// Offers the generation again, because the runner that was to get it is gone.
    package func offerAgain() {
        guard case .offered(let timer) = state else { return }
        timer.cancel()
        offer()
    }

    /// Leases the work to a runner.
    /// - Returns: the work as JSON; nil if it is no longer on offer.
    package func lease(to runner: String?) -> [UInt8]? {
        guard case .offered(let timer) = state, let sink, sink.isActive else { return nil }
        timer.cancel()
        attempts += 1
        let id = Identifier.make("lease_")
        lastLeaseID = id
        board.noteLease()
        lastPost = 0
        leaseEnds = loop.now + options.leaseDuration
        state = .leased(id: id, watchLease(options.leaseDuration))
        sink.noteAttempt(at: runner ?? request.parameters.model)
        sink.accepted()
        return work(leaseID: id)
    }

    /// Takes the work back from a runner that left before the work reached it.
    package func giveBack() {
        guard case .leased(_, let timer) = state, !hasSaid else { return }
        timer.cancel()
        attempts -= 1
        lastLeaseID = nil
        offer()
    }

    private func watchLease(_ duration: Duration) -> LoopTimer {
        loop.schedule(after: duration) { [weak self] in self?.lookAtLease() }
    }

    private func lookAtLease() {
        guard case .leased(let id, _) = state else { return }
        let left = leaseEnds - loop.now
        if left > .zero {
            state = .leased(id: id, watchLease(left))
            return
        }
        sink?.noteAttempt(failedBy: "runner_lost", at: request.parameters.model)
        if !hasSaid, attempts < Self.maxAttempts {
            board.noteFailure("runner_lost")
            tellWatches()
            offer()
        } else {
            fail("runner_lost", 504, "The runner has said nothing for \(options.leaseDuration.secondsText) s.")
        }
    }

    private func fail(_ code: String, _ status: Int, _ message: String) {
        guard let sink, sink.isActive else { return }
        board.noteFailure(code)
        let error = GenerationError(code: code, message: message, status: status, type: "server_error", retryAfterSeconds: 5)
        sink.fail(error)
        ended()
    }

    // MARK: The end

    var summary: Summary {
        var reason: String?
        if case .incomplete(let why)? = sink?.status { reason = why.rawValue }
        return Summary(responseID: responseID, status: sink?.status.name ?? "cancelled", reason: reason)
    }

    package func ended() {
        switch state {
        case .offered(let timer), .leased(_, let timer): timer.cancel()
        case .ended: return
        }
        state = .ended
        board.withdraw(responseID)
        // The final status is known only at the end of the iteration that stopped the generation.
        loop.schedule(after: .zero) { [self] in
            board.end(
                responseID,
                RunnerBoard.Ended(owner: owner, leaseID: lastLeaseID, lastPost: lastPost, summary: summary))
            tellWatches()
            sink = nil
        }
    }

    // MARK: Watches

    /// Whether the lease is valid, and the state of the response.
    package func standing(leaseID: String?) -> (isActive: Bool, summary: Summary) {
        if case .leased(let id, _) = state { return (leaseID == nil || leaseID == id, summary) }
        if case .offered = state { return (leaseID == nil, summary) }
        return (false, summary)
    }

    /// Reports the end of the response or of the lease, once.
    /// - Returns: false if the maximum number of watches is reached.
    package func watch(id: String, then: @escaping @Sendable (Summary) -> Void) -> Bool {
        guard watches.count < Self.maxWatches else { return false }
        watches[id] = then
        return true
    }

    package func unwatch(_ id: String) { watches[id] = nil }

    private func tellWatches() {
        let told = watches.values
        let summary = summary
        watches = [:]
        for then in told { then(summary) }
    }

    // MARK: Work

    private func work(leaseID: String) -> [UInt8] {
        let parameters = request.parameters
        var buffer = ByteBuffer()
        buffer.appendJSONObject { work in
            work.field("object", "interject.work")
            work.field("response_id", responseID)
            work.field("session_id", sessionID)
            work.field("lease_id", leaseID)
            work.field("lease_seconds", Double(options.leaseDuration.nanoseconds) / 1e9)
            work.field("attempt", attempts)
            work.field("model", parameters.model)
            work.field("instructions", parameters.instructions)
            work.field("continues_last_message", request.continuesLastMessage)
            work.array("items") { list in for item in request.items { list.element(item.json) } }
            work.field("parameters", .object(parameters.chatMembers ?? parameters.members))
        }
        return buffer.array
    }
}

extension Duration {
    /// The number of seconds in decimal, for messages.
    fileprivate var secondsText: String {
        let seconds = Double(nanoseconds) / 1e9
        return seconds == seconds.rounded() ? String(Int(saturating: seconds)) : String(seconds)
    }
}
