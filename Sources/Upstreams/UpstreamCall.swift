import Logging
import Network
import Sessions

/// One generation's work with an upstream: attempts, and the pauses between them. Loop-confined.
///
/// The control flow is a task on the generation's loop; the answer's bytes do not pass through it but go from the transfer to the
/// generation by plain calls. The session may stop it in every phase, at once.
final class UpstreamCall: ModelCall {
    private enum Phase {
        /// Nothing is under way, the task is about to go on.
        case between
        case exchanging(HTTPTransfer, CheckedContinuation<Failure?, Never>)
        case pausing(LoopTimer, CheckedContinuation<Void, Never>)
        case ended
    }

    private struct Failure: Sendable {
        let fault: UpstreamFault
        let hasDelivered: Bool
    }

    private let loop: EventLoop
    private let upstream: UpstreamConfiguration
    private let model: String
    private let request: HTTPClientRequest
    private var generation: Generation?
    private var phase = Phase.between
    private let counters: UpstreamCounters?
    private var attemptBegan = Instant(nanoseconds: 0)

    init(
        _ request: HTTPClientRequest, to upstream: UpstreamConfiguration, model: String, for generation: Generation,
        on loop: EventLoop, counters: UpstreamCounters? = nil
    ) {
        self.request = request
        self.upstream = upstream
        self.model = model
        self.generation = generation
        self.loop = loop
        self.counters = counters
    }

    func start() {
        let bound = LoopBound(self, on: loop)
        Task(executorPreference: loop) { await bound.value.run() }
    }

    func cancel() {
        let stopped = phase
        end()
        switch stopped {
        case .exchanging(let transfer, let continuation):
            transfer.cancel()
            counters?.ended("cancelled")
            continuation.resume(returning: nil)
        case .pausing(let timer, let continuation):
            timer.cancel()
            continuation.resume()
        case .between, .ended: break
        }
    }

    func pause() {
        if case .exchanging(let transfer, _) = phase { transfer.pause() }
    }

    func resume() {
        if case .exchanging(let transfer, _) = phase { transfer.resume() }
    }

    // MARK: Called by the exchange

    func answered(_ reason: FinishReason) {
        guard case .exchanging(_, let continuation) = phase else { return }
        let generation = generation
        end()
        counters?.ended("completed")
        continuation.resume(returning: nil)
        generation?.finish(reason)
    }

    func failed(_ fault: UpstreamFault, hasDelivered: Bool) {
        guard case .exchanging(_, let continuation) = phase else { return }
        phase = .between
        counters?.ended(fault.label)
        continuation.resume(returning: Failure(fault: fault, hasDelivered: hasDelivered))
    }

    /// The first piece of the answer.
    func answering() { counters?.firstToken(after: Instant.monotonicNow - attemptBegan) }

    // MARK: The task

    private func run() async {
        var attempt = 1
        while let failure = await exchange() {
            // A part of the answer that was delivered cannot be taken back, so it must not come again.
            let delay =
                failure.hasDelivered
                ? nil
                : RetryPolicy.delay(
                    after: failure.fault, attempt: attempt, maxAttempts: upstream.maxAttempts, jitter: .random(in: 0..<1))
            guard let delay else {
                fail(failure.fault)
                return
            }
            await pause(seconds: delay)
            attempt += 1
            if case .between = phase { counters?.retried() }
        }
    }

    /// One attempt; nil when nothing remains to be done.
    private func exchange() async -> Failure? {
        guard case .between = phase, let generation else { return nil }
        return await withCheckedContinuation { continuation in
            let transfer: HTTPTransfer =
                switch upstream.dialect {
                case .chatCompletions:
                    UpstreamExchange<ChatCompletionsDecoder>(request, call: self, generation: generation)
                case .anthropicMessages:
                    UpstreamExchange<AnthropicMessagesDecoder>(request, call: self, generation: generation)
                }
            phase = .exchanging(transfer, continuation)
            attemptBegan = Instant.monotonicNow
            loop.httpClient.start(transfer)
        }
    }

    private func pause(seconds: Double) async {
        guard case .between = phase else { return }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let timer = loop.schedule(after: .seconds(seconds)) { [weak self] in self?.pauseEnded() }
            phase = .pausing(timer, continuation)
        }
    }

    private func pauseEnded() {
        guard case .pausing(_, let continuation) = phase else { return }
        phase = .between
        continuation.resume()
    }

    private func fail(_ fault: UpstreamFault) {
        guard case .between = phase, let generation else { return }
        end()
        // What the upstream said may quote the prompt, so only its kind is told.
        loop.logger.log(
            level: fault.concernsOperator ? .notice : .info, "an upstream failed",
            metadata: [
                "fault": "\(fault.label)", "upstream": "\(upstream.authority)", "response_id": "\(generation.id)",
                "model": "\(model)",
            ])
        generation.fail(fault.generationError(upstream: upstream.authority, model: model, key: upstream.key))
    }

    private func end() {
        phase = .ended
        generation = nil
    }
}
