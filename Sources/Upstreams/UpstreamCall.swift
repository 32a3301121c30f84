import Bytes
import Logging
import Network
import Sessions

/// One generation's requests to upstreams: waiting for one, the attempts, and the delays between them. Loop-confined.
///
/// The control flow is a task on the generation's loop. The answer's bytes bypass it: they go from the transfer to the generation
/// by plain calls. The session can stop the call in every phase, immediately.
final class UpstreamCall: ModelCall {
    private enum Phase {
        /// Nothing is in progress; the task is about to proceed.
        case between
        /// Waiting in the queue: every upstream is at its limit.
        case waiting(ticket: UInt64, LoopTimer, CheckedContinuation<RouteTable.Answer?, Never>)
        /// Identifying the upstream.
        case recognising(RouteTable.Lease, Recogniser.Ticket, CheckedContinuation<Bool, Never>)
        case exchanging(PausableTransfer, RouteTable.Lease, CheckedContinuation<Failure?, Never>)
        case pausing(LoopTimer, CheckedContinuation<Void, Never>)
        case ended
    }

    /// A failed attempt.
    private struct Failure: Sendable {
        let fault: UpstreamFault
        let upstream: Int
        let hasDelivered: Bool
        /// Whether the same lease is used again at once, without the members that the upstream rejected.
        var isToBeAdapted = false
    }

    let loop: EventLoop
    private let router: UpstreamRouter
    private let request: ModelRequest
    private let promptTokens: Int
    /// Bytes of text in the conversation.
    private let promptByteCount: Int
    private let owner: String
    private var route: RouteTable.Request
    private var plan: AttemptPlan
    private var sink: GenerationSink?
    private var phase = Phase.between
    /// Whether the session has paused the answer; applies to every attempt, including later ones.
    private var isPaused = false
    private let counters: UpstreamCounters?
    private var attemptBegan = Instant(nanoseconds: 0)
    private var lastFailure: Failure?
    /// Members of the current request that may be dropped if the upstream rejects them.
    private var concessions: UpstreamHabits.Members = []
    /// Members dropped for this call, by upstream. Each is dropped once, so that an upstream that rejects both names of a limit is
    /// not retried forever.
    private var conceded: [Int: UpstreamHabits.Members] = [:]

    /// Smaller prompts are encoded within a millisecond.
    private static let leastLargePromptBytes = 64 << 10

    private var model: String { request.parameters.model }

    /// - Parameter groups: the upstreams that serve the model, by preference.
    init(
        _ request: ModelRequest, through router: UpstreamRouter, groups: [UpstreamSet], for sink: GenerationSink,
        on loop: EventLoop, counters: UpstreamCounters? = nil
    ) {
        self.request = request
        self.router = router
        owner = sink.owner
        promptByteCount = request.items.reduce(0) { $0.saturatingAdding($1.byteCount) }
        // Estimating tokens reads the whole conversation, so it is done only if an upstream has a token limit.
        let isCounted = router.upstreams.contains { $0.limit.tokensPerMinute != nil }
        promptTokens = isCounted ? TokenEstimate.tokens(of: request) : 0
        route = RouteTable.Request(groups: groups, tokens: promptTokens, owner: owner)
        plan = AttemptPlan(candidates: route.candidates, maxAttempts: router.maxAttempts(route.candidates))
        self.sink = sink
        self.loop = loop
        self.counters = counters
    }

    func start() {
        let bound = LoopBound(self, on: loop)
        Task(executorPreference: loop) { await bound.value.run() }
    }

    func cancel() {
        let stopped = phase
        let sink = sink
        end()
        switch stopped {
        case .waiting(let ticket, let timer, let continuation):
            timer.cancel()
            // A lease already on its way is returned when it arrives.
            _ = router.withdraw(ticket, isLate: false)
            continuation.resume(returning: nil)
        case .recognising(let lease, let ticket, let continuation):
            router.recogniser.withdraw(ticket)
            router.end(lease, RouteTable.Ending("cancelled", .nothing, tokens: 0))
            continuation.resume(returning: false)
        case .exchanging(let transfer, let lease, let continuation):
            transfer.cancel()
            counters?.ended("cancelled")
            router.end(lease, RouteTable.Ending("cancelled", .nothing, tokens: tokens(of: sink)))
            continuation.resume(returning: nil)
        case .pausing(let timer, let continuation):
            timer.cancel()
            continuation.resume()
        case .between, .ended: break
        }
    }

    func pause() {
        isPaused = true
        if case .exchanging(let transfer, _, _) = phase { transfer.pauseAnswer() }
    }

    func resume() {
        isPaused = false
        if case .exchanging(let transfer, _, _) = phase { transfer.resumeAnswer() }
    }

    // MARK: Called by the exchange

    func answered(_ reason: FinishReason) {
        guard case .exchanging(_, let lease, let continuation) = phase else { return }
        let sink = sink
        end()
        counters?.ended("completed")
        router.end(lease, RouteTable.Ending("completed", .success, tokens: tokens(of: sink)))
        continuation.resume(returning: nil)
        sink?.finish(reason)
    }

    func failed(_ fault: UpstreamFault, hasDelivered: Bool) {
        guard case .exchanging(_, let lease, let continuation) = phase else { return }
        phase = .between
        counters?.ended(fault.label)
        if !hasDelivered, concede(after: fault, at: lease.upstream) {
            let failure = Failure(fault: fault, upstream: lease.upstream, hasDelivered: false, isToBeAdapted: true)
            continuation.resume(returning: failure)
            return
        }
        router.end(
            lease,
            RouteTable.Ending(
                fault.label, fault.verdict, rest: fault.rest, tokens: hasDelivered ? tokens(of: sink) : 0))
        continuation.resume(returning: Failure(fault: fault, upstream: lease.upstream, hasDelivered: hasDelivered))
    }

    /// Whether the upstream rejected members that we had added, so that the request is repeated without them. This says nothing
    /// about its health.
    private func concede(after fault: UpstreamFault, at upstream: Int) -> Bool {
        let name = router.upstreams[upstream].ownName(of: model)
        var habits = router.habits(of: upstream, model: name)
        let open = concessions.subtracting(conceded[upstream] ?? [])
        var given = habits.learn(from: fault, sent: open)
        if !given.isEmpty {
            router.learn(habits, of: upstream, model: name)
        } else if open.contains(.prefill), fault.mayRefusePrefill {
            // The upstream gives no reason; it may apply to this conversation only.
            given = .prefill
        }
        if given.isEmpty { return false }
        conceded[upstream, default: []].formUnion(given)
        loop.logger.info(
            "an upstream refuses a member that is added to requests: it is asked without",
            metadata: ["upstream": "\(router.upstreams[upstream].name)", "model": "\(model)", "member": "\(given.names)"])
        return true
    }

    /// Called with the first piece of the answer.
    func answering() {
        counters?.firstToken(after: loop.clock.now - attemptBegan)
        if case .exchanging(_, let lease, _) = phase { router.answered(lease) }
    }

    // MARK: Task

    private func run() async {
        while let lease = await admission() {
            guard let failure = await exchange(lease) else { return }
            lastFailure = failure
            let name = router.upstreams[failure.upstream].name
            sink?.noteAttempt(failedBy: failure.fault.label, at: name)
            let step = plan.step(
                after: failure.fault, at: failure.upstream, healthy: router.healthy(of: route), jitter: .random(in: 0..<1))
            // Delivered parts of an answer cannot be taken back, so they must not be generated again.
            switch failure.hasDelivered ? .giveUp : step {
            case .giveUp:
                fail(failure)
                return
            case .go(let excluded):
                log(failure, .info, "an upstream failed, another is asked")
                route.excluded = excluded
            case .pause(let seconds, let excluded):
                log(failure, .info, "an upstream failed, it is asked again")
                await pause(seconds: seconds)
                route.excluded = excluded
            }
            if case .between = phase { counters?.retried() }
        }
    }

    /// Waits for an upstream; nil if nothing remains to be done.
    private func admission() async -> RouteTable.Lease? {
        let bound = LoopBound(self, on: loop)
        let answer: RouteTable.Answer? = await withCheckedContinuation { continuation in
            guard case .between = phase else {
                continuation.resume(returning: nil)
                return
            }
            switch router.acquire(route, { answer in bound.run { $0.waited(answer) } }) {
            case .answered(let answer): continuation.resume(returning: answer)
            case .waits(let ticket):
                let timer = loop.schedule(after: router.options.waitTimeout) { [weak self] in self?.waitEnded() }
                phase = .waiting(ticket: ticket, timer, continuation)
            }
        }
        switch answer {
        case .granted(let lease): return lease
        case .refused(let refusal):
            refuse(refusal)
            return nil
        case nil: return nil
        }
    }

    private func waited(_ answer: RouteTable.Answer) {
        guard case .waiting(_, let timer, let continuation) = phase else {
            if case .granted(let lease) = answer { router.end(lease, RouteTable.Ending("cancelled", .nothing, tokens: 0)) }
            return
        }
        timer.cancel()
        phase = .between
        continuation.resume(returning: answer)
    }

    private func waitEnded() {
        guard case .waiting(let ticket, _, let continuation) = phase,
            let refusal = router.withdraw(ticket, isLate: true)
        else { return }
        phase = .between
        continuation.resume(returning: .refused(refusal))
    }

    /// Encodes the request. A large conversation is encoded off the loop.
    private func makeRequest(
        to upstream: UpstreamConfiguration, _ habits: UpstreamHabits
    ) async throws(GenerationError) -> MadeRequest {
        let (request, dialect, name) = (request, upstream.dialect, upstream.ownName(of: model))
        guard promptByteCount > Self.leastLargePromptBytes else {
            return try dialect.speaker.request(request, model: name, to: upstream, habits: habits)
        }
        let made = await WorkerPool.shared.run(for: owner) {
            Result { () throws(GenerationError) in try dialect.speaker.request(request, model: name, to: upstream, habits: habits) }
        }
        guard let made else {
            throw GenerationError(
                code: "overloaded", message: "The server is overloaded. Try again later.", status: 503, type: "server_error",
                retryAfterSeconds: 5)
        }
        return try made.get()
    }

    /// Makes one attempt, repeated without members that the upstream rejects; nil if nothing remains to be done.
    private func exchange(_ lease: RouteTable.Lease) async -> Failure? {
        while let failure = await ask(lease) { if !failure.isToBeAdapted { return failure } }
        return nil
    }

    private func ask(_ lease: RouteTable.Lease) async -> Failure? {
        let upstream = router.upstreams[lease.upstream]
        let made: MadeRequest
        if request.continuesLastMessage, !(await recognise(lease)) { return nil }
        do throws(GenerationError) {
            let habits = router.habits(of: lease.upstream, model: upstream.ownName(of: model))
            let given = (conceded[lease.upstream] ?? []).intersection([.prefill, .streamOptions])
            made = try await makeRequest(to: upstream, habits.refusing(given))
            concessions = made.sent
        } catch {
            router.end(lease, RouteTable.Ending("not_sent", .nothing, tokens: 0))
            return Failure(fault: .notSent(error), upstream: lease.upstream, hasDelivered: false)
        }
        return await withCheckedContinuation { continuation in
            // Each await may let other code run on the loop, including calls to this object. From here on, nothing runs between
            // checking the phase and changing it.
            guard case .between = phase, let sink else {
                router.end(lease, RouteTable.Ending("cancelled", .nothing, tokens: 0))
                continuation.resume(returning: nil)
                return
            }
            sink.noteAttempt(at: upstream.name)
            let transfer =
                if let goingOn = made.continuation {
                    transfer(made.request, to: upstream, into: JoiningSink(sink, goingOn))
                } else {
                    transfer(made.request, to: upstream, into: sink)
                }
            phase = .exchanging(transfer, lease, continuation)
            attemptBegan = loop.clock.now
            if isPaused { transfer.pauseAnswer() }
            loop.httpClient.start(transfer)
        }
    }

    /// Identifies the upstream if the answer depends on that and it is unknown.
    /// - Returns: false if the call was stopped meanwhile and the lease was returned.
    private func recognise(_ lease: RouteTable.Lease) async -> Bool {
        if conceded[lease.upstream]?.contains(.prefill) ?? false { return true }
        let name = router.upstreams[lease.upstream].ownName(of: model)
        let bound = LoopBound(self, on: loop)
        return await withCheckedContinuation { continuation in
            guard case .between = phase,
                let ticket = router.recognise(lease.upstream, model: name, on: loop, { bound.run { $0.recognised() } })
            else {
                continuation.resume(returning: true)
                return
            }
            phase = .recognising(lease, ticket, continuation)
        }
    }

    private func recognised() {
        guard case .recognising(_, _, let continuation) = phase else { return }
        phase = .between
        continuation.resume(returning: true)
    }

    private func transfer<Sink: AnswerSink>(
        _ request: HTTPClientRequest, to upstream: UpstreamConfiguration, into sink: Sink
    ) -> PausableTransfer {
        switch upstream.dialect {
        case .chatCompletions:
            UpstreamExchange<ChatCompletionsDecoder, Sink>(
                request, call: self, sink: sink, silenceTimeout: upstream.silenceTimeout)
        case .anthropicMessages:
            UpstreamExchange<AnthropicMessagesDecoder, Sink>(
                request, call: self, sink: sink, silenceTimeout: upstream.silenceTimeout)
        }
    }

    private func pause(seconds: Double) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            guard case .between = phase else {
                continuation.resume()
                return
            }
            let timer = loop.schedule(after: Duration(saturatingSeconds: seconds)) { [weak self] in self?.pauseEnded() }
            phase = .pausing(timer, continuation)
        }
    }

    private func pauseEnded() {
        guard case .pausing(_, let continuation) = phase else { return }
        phase = .between
        continuation.resume()
    }

    // MARK: End

    private func tokens(of sink: GenerationSink?) -> Int? {
        sink.map { TokenEstimate.tokens(of: $0, promptTokens: promptTokens) }
    }

    private func fail(_ failure: Failure) {
        guard case .between = phase, let sink else { return }
        end()
        log(failure, failure.fault.concernsOperator ? .notice : .info, "an upstream failed", sink.responseID)
        let upstream = router.upstreams[failure.upstream]
        var error = failure.fault.generationError(upstream: upstream.authority, model: model, key: upstream.key)
        // A client may retry when the upstream said so, unless we already did. Everything else was tried here.
        error.forbidsRetry = plan.hasRepeated || error.retryAfterSeconds == nil
        sink.fail(error)
    }

    /// No upstream is available. Reports the last upstream's error instead, if one was tried.
    private func refuse(_ refusal: RouteTable.Refusal) {
        if let lastFailure {
            fail(lastFailure)
            return
        }
        guard case .between = phase, let sink else { return }
        end()
        loop.logger.info(
            "no upstream could be asked",
            metadata: ["reason": "\(refusal.label)", "response_id": "\(sink.responseID)", "model": "\(model)"])
        sink.fail(refusal.generationError(model: model))
    }

    /// The upstream's message may quote the prompt, so only its kind is logged.
    private func log(_ failure: Failure, _ level: Logger.Level, _ message: Logger.Message, _ id: String? = nil) {
        loop.logger.log(
            level: level, message,
            metadata: [
                "fault": "\(failure.fault.label)", "upstream": "\(router.upstreams[failure.upstream].name)",
                "response_id": "\(id ?? sink?.responseID ?? "")", "model": "\(model)", "attempt": .stringConvertible(plan.attempts),
            ])
    }

    private func end() {
        phase = .ended
        sink = nil
    }
}
