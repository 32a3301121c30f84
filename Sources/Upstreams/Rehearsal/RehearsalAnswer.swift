import Bytes
import HTTP
import Network

/// Sends one answer, paced by deadlines and with the faults of its directives. Loop-confined.
final class RehearsalAnswer {
    /// Most tokens and bytes per loop iteration, so that other connections can proceed.
    static let maxIterationTokens = 64
    static let maxIterationBytes = 16 << 10

    private enum Phase { case silent, speaking, stalled, over }
    /// Result of one iteration.
    private enum Step {
        case later(Instant)
        case nextIteration, stalled
        case fault(RehearsalFault.Kind)
        case finished
    }

    private let exchange: HTTPExchange
    private let loop: EventLoop
    private let encoder: RehearsalEncoder
    private var script: RehearsalScript
    private let tokenLimit: Int
    private let pace: Int
    /// Remaining faults, in order.
    private var faults: ArraySlice<RehearsalFault>
    private let record: RehearsalRecord
    private let statistics: RehearsalStatistics
    private let start: Instant
    private var phase = Phase.silent
    private var timer: LoopTimer?
    /// The text so far of an answer that is not streamed.
    private var text = ByteBuffer()
    private var garbageIsDue = false

    init(
        _ exchange: HTTPExchange, loop: EventLoop, encoder: RehearsalEncoder, script: RehearsalScript, tokenLimit: Int?,
        pace: Int, firstTokenMilliseconds: Int, faults: [RehearsalFault], record: RehearsalRecord,
        statistics: RehearsalStatistics
    ) {
        self.exchange = exchange
        self.loop = loop
        self.encoder = encoder
        self.script = script
        self.tokenLimit = min(tokenLimit ?? .max, script.tokenCount)
        self.pace = pace
        let order = RehearsalFault.Kind.allCases
        self.faults =
            faults.sorted { left, right in
                left.afterTokenCount != right.afterTokenCount
                    ? left.afterTokenCount < right.afterTokenCount
                    : (order.firstIndex(of: left.kind) ?? 0) < (order.firstIndex(of: right.kind) ?? 0)
            }[...]
        self.record = record
        self.statistics = statistics
        start = Instant(nanoseconds: record.startedNanoseconds) + .milliseconds(firstTokenMilliseconds)
    }

    /// Starts the answer. The exchange and the loop's timers keep this object alive.
    func begin() {
        statistics.active += 1
        exchange.endsWithInput = true
        exchange.onDisconnect = { self.conclude(.aborted) }
        exchange.onDrained = { self.proceed() }
        if record.isStream {
            exchange.beginStream(
                .ok, contentType: "text/event-stream; charset=utf-8", fields: [("Cache-Control", "no-cache")])
            exchange.write { encoder.appendOpening(into: &$0) }
        }
        if start > loop.clock.now { wake(at: start) } else { proceed() }
    }

    private func wake(at deadline: Instant) {
        timer?.cancel()
        timer = loop.schedule(after: deadline - loop.clock.now) { self.proceed() }
    }

    private func proceed() {
        // `onDrained` calls this again when the congestion ends.
        guard phase == .silent || phase == .speaking, !exchange.isCongested, timer.map({ !$0.isPending }) ?? true else {
            return
        }
        timer = nil
        let before = record.tokensSent
        var step = Step.nextIteration
        if record.isStream {
            exchange.write { output in
                if phase == .silent { encoder.appendStart(into: &output) }
                phase = .speaking
                step = speak(into: &output)
            }
        } else {
            phase = .speaking
            step = speak(into: &text)
        }
        statistics.tokensSent += record.tokensSent - before
        switch step {
        case .later(let deadline): wake(at: deadline)
        case .nextIteration: if !exchange.isCongested { wake(at: loop.clock.now) }
        case .stalled: phase = .stalled
        case .fault(let kind): fail(kind)
        case .finished: finish()
        }
    }

    /// Writes the tokens due now, within the limits of one iteration.
    private func speak(into output: inout ByteBuffer) -> Step {
        let now = loop.clock.now
        let room = output.count + Self.maxIterationBytes
        for _ in 0..<Self.maxIterationTokens where output.count < room {
            if pace > 0, record.tokensSent < tokenLimit {
                let deadline = start + .nanoseconds(record.tokensSent * 1_000_000_000 / pace)
                if deadline > now { return .later(deadline) }
            }
            while let fault = faults.first, fault.afterTokenCount == record.tokensSent {
                faults.removeFirst()
                switch fault.kind {
                case .garbage where record.isStream: encoder.appendGarbage(into: &output)
                case .garbage: garbageIsDue = true
                case .stall: return .stalled
                case .cut, .error, .end: return .fault(fault.kind)
                }
            }
            guard record.tokensSent < tokenLimit else { return .finished }
            let said: Void? = script.next { token in
                if record.isStream { encoder.appendToken(token, into: &output) } else { output.append(token) }
            }
            guard said != nil else { return .finished }
            if record.tokensSent == 0 { record.firstTokenNanoseconds = now.nanoseconds }
            record.tokensSent += 1
        }
        return .nextIteration
    }

    // MARK: End

    private func finish() {
        let reason: RehearsalEncoder.FinishReason =
            tokenLimit < script.tokenCount ? .length : encoder.tool == nil ? .stop : .tool
        if record.isStream {
            exchange.write { encoder.appendEnd(reason, tokenCount: record.tokensSent, into: &$0) }
            conclude(.completed)
            exchange.end()
        } else {
            conclude(.completed)
            respond(.ok, garbageIsDue ? Array("{rehearsed garbage, no JSON]".utf8) : whole(reason))
        }
    }

    private func fail(_ kind: RehearsalFault.Kind) {
        phase = .stalled
        switch kind {
        case .cut:
            // In the next iteration, because a reset discards unsent output.
            timer = loop.schedule(after: .milliseconds(1)) {
                guard self.phase != .over else { return }
                self.conclude(.failed)
                self.exchange.abort()
            }
        case .error:
            let message = "The rehearsal model fails here, as error_after=\(record.tokensSent) asks."
            conclude(.failed)
            if record.isStream {
                exchange.write { encoder.appendError(message, into: &$0) }
                exchange.end()
            } else {
                respond(.internalServerError, RehearsalEncoder.errorBody(encoder.dialect, status: 500, message))
            }
        case .end:
            conclude(.failed)
            if record.isStream { exchange.end() } else { respond(.ok, whole(nil)) }
        case .garbage, .stall: break
        }
    }

    private func whole(_ reason: RehearsalEncoder.FinishReason?) -> [UInt8] {
        encoder.whole(text.bytes, reason, tokenCount: record.tokensSent)
    }

    private func respond(_ status: HTTPStatus, _ body: [UInt8]) {
        exchange.respond(status, contentType: "application/json", body: body)
    }

    /// Makes the last change to the record and drops the reference to the exchange, which retains the answer.
    private func conclude(_ state: RehearsalRecord.State) {
        guard phase != .over else { return }
        phase = .over
        timer?.cancel()
        exchange.onDisconnect = nil
        exchange.onDrained = nil
        record.state = state
        record.endedNanoseconds = loop.clock.now.nanoseconds
        statistics.active -= 1
        switch state {
        case .completed: statistics.streamsCompleted += 1
        case .aborted: statistics.abortsSeen += 1
        case .active, .failed: break
        }
    }
}
