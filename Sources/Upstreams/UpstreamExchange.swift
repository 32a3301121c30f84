import Bytes
import HTTP
import JSON
import Network
import Sessions

/// One attempt at an upstream: passes its bytes through a decoder directly to the generation. Loop-confined.
final class UpstreamExchange<Decoder: ResponseDecoder & ~Copyable, Sink: AnswerSink>: PausableTransfer {
    private enum Mode {
        case awaitingHead
        /// Success; the kind of body is not known yet.
        case beginning(BodySniffer)
        case stream
        /// One JSON value.
        case whole
        /// A page or plain text instead of an answer.
        case other
        case refusal(status: Int, retryAfterSeconds: Double?)
        /// Only the end of the body is expected.
        case over
    }

    private let sink: Sink
    private weak var call: UpstreamCall?
    private var decoder = Decoder()
    private var mode = Mode.awaitingHead
    private var contentType = ""
    private var collected = ByteBuffer()
    /// ``AnswerSink/progressCount`` when the last part of the answer arrived.
    private var progressCount = 0
    private var isAnswering = false
    /// The finish reason was received, the end of the stream was not.
    private var isAwaitingRest = false
    /// Longest silence within the body; the head has its own limit.
    private let silenceTimeout: Duration
    /// Cancelled at the end of the exchange: a weak reference would slow down each of the retains that a piece of the body takes.
    private var acceptanceTimer: LoopTimer?

    init(_ request: HTTPClientRequest, call: UpstreamCall, sink: Sink, silenceTimeout: Duration) {
        self.silenceTimeout = silenceTimeout
        self.call = call
        self.sink = sink
        super.init(request)
        endsSilenceWithBytes = false
    }

    deinit { acceptanceTimer?.cancel() }

    override func receivedHead(_ head: HTTPClientResponse) {
        limitSilence(to: silenceTimeout)
        contentType = head.fields["content-type"]?.lowercased() ?? ""
        if !(200..<300).contains(head.status) {
            let retryAfter = RetryAfter.seconds(head.fields, status: head.status, now: call?.loop.unixTime ?? 0)
            mode = .refusal(status: head.status, retryAfterSeconds: retryAfter)
        } else {
            mode = .beginning(BodySniffer())
            bodyIsAnswer()
            acceptSoon()
        }
    }

    /// Accepts the request after a delay. Until a part of the answer has arrived an error may arrive instead, and clients whose
    /// status line is deferred receive its status. A model that thinks for longer has accepted the request.
    private func acceptSoon() {
        acceptanceTimer = call?.loop.schedule(after: UpstreamLimits.acceptanceDelay) { [unowned self] in
            guard isRunning else { return }
            switch mode {
            case .beginning, .stream, .whole: sink.target.accepted()
            case .awaitingHead, .other, .refusal, .over: break
            }
        }
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        switch mode {
        case .beginning(let sniffer): receivedBeginning(bytes, sniffer)
        case .stream: receivedStream(bytes)
        case .whole:
            collected.append(bytes)
            // Servers send white space before the answer to keep a connection alive.
            if bytes.contains(where: { $0 > 0x20 }) { noteProgress() }
            if collected.count > UpstreamLimits.maxWholeBodyBytes {
                fail(.malformed("an answer of more than \(UpstreamLimits.maxWholeBodyBytes) bytes"))
            }
        case .other:
            collected.append(bytes)
            if collected.count > UpstreamLimits.maxErrorBodyBytes { failAsNoAnswer() }
        case .refusal(let status, let retryAfter):
            collected.append(bytes)
            if collected.count > UpstreamLimits.maxErrorBodyBytes { failWithStatus(status, retryAfter) }
        case .over:
            // An upstream that continues after the end is not drained.
            cancel()
        case .awaitingHead: break
        }
    }

    override func ended(_ end: End) {
        if case .failed(let error) = end {
            endCut(.transport(error))
            return
        }
        switch mode {
        case .beginning(let sniffer): endBeginning(sniffer)
        case .stream: endStream()
        case .whole: endWhole()
        case .other: failAsNoAnswer()
        case .refusal(let status, let retryAfter): failWithStatus(status, retryAfter)
        case .awaitingHead, .over: break
        }
    }

    private func receivedBeginning(_ bytes: UnsafeRawBufferPointer, _ sniffer: BodySniffer) {
        var sniffer = sniffer
        var rest = bytes
        let isLabelledStream = contentType.hasPrefix("text/event-stream")
        guard let kind = sniffer.take(&rest, isLabelledStream: isLabelledStream) else {
            mode = .beginning(sniffer)
            return
        }
        switch kind {
        case .stream: mode = .stream
        case .whole: mode = .whole
        case .other: mode = .other
        }
        if !sniffer.beginning.isEmpty { sniffer.beginning.withUnsafeBytes { received($0) } }
        if !rest.isEmpty { received(rest) }
    }

    /// The body ended before its kind was known.
    private func endBeginning(_ sniffer: BodySniffer) {
        if sniffer.beginning.isEmpty {
            let isExpected = ["text/event-stream", "application/json", ""].contains { contentType.prefix { $0 != ";" } == $0 }
            if isExpected { fail(.truncated) } else { failAsNoAnswer() }
        } else {
            collected.append(sniffer.beginning)
            failAsNoAnswer()
        }
    }

    private func receivedStream(_ bytes: UnsafeRawBufferPointer) {
        do throws(UpstreamFault) {
            let reason = try decoder.receive(bytes, into: sink)
            if sink.progressCount != progressCount {
                progressCount = sink.progressCount
                noteProgress()
            }
            if !isAnswering, decoder.hasDelivered {
                isAnswering = true
                call?.answering()
            }
            if let reason {
                finish(reason)
            } else if decoder.hasFinished, !isAwaitingRest {
                isAwaitingRest = true
                limitSilence(to: min(silenceTimeout, UpstreamLimits.restTimeout))
            }
        } catch {
            endCut(error)
        }
    }

    /// The rest of the answer is lost. The answer is still complete if it has reported its end or has fully arrived.
    private func endCut(_ fault: UpstreamFault) {
        // An error describes the cause; a finish reason may only have said that there is one.
        if case .inBand = fault { return fail(fault) }
        do throws(UpstreamFault) {
            switch mode {
            // The status describes the cause, however little of the body arrived.
            case .refusal(let status, let retryAfter) where fault != .transport(.loopStopped):
                return failWithStatus(status, retryAfter)
            case .stream where decoder.hasFinished: finish(try decoder.end(into: sink))
            case .whole where !collected.isEmpty: finish(try decoder.receiveWhole(collected.bytes, into: sink))
            default: throw fault
            }
            // The rest of the body is of no use.
            cancel()
        } catch .malformed {
            fail(fault)
        } catch {
            fail(error)
        }
    }

    private func endStream() {
        do throws(UpstreamFault) {
            finish(try decoder.end(into: sink))
        } catch {
            fail(error)
        }
    }

    private func endWhole() {
        do throws(UpstreamFault) {
            finish(try decoder.receiveWhole(collected.bytes, into: sink))
        } catch {
            fail(decoder.hasDelivered ? error : flatError() ?? error)
        }
    }

    /// An error in the body without a member `error`.
    private func flatError() -> UpstreamFault? {
        guard let body = try? JSONValue.parse(collected.bytes) else { return nil }
        return UpstreamErrorObject(flat: body).map { .inBand($0) }
    }

    private func failAsNoAnswer() {
        let type =
            contentType.isEmpty ? "something without a Content-Type" : contentType.prefix { $0 != ";" && $0 != " " }.prefix(100)
        fail(.notAStream(contentType: String(type), words: UpstreamErrorObject(body: collected.array).message))
    }

    private func failWithStatus(_ status: Int, _ retryAfter: Double?) {
        fail(.status(status, UpstreamErrorObject(body: collected.array), retryAfterSeconds: retryAfter))
    }

    private func finish(_ reason: FinishReason) {
        mode = .over
        sink.conclude(isWhole: true)
        // No reader remains to resume the transfer, and further bytes are not delivered.
        resumeAnswer()
        // The connection can be reused if the body ends soon, as it should.
        if isRunning { limitSilence(to: .seconds(2)) }
        let call = call
        self.call = nil
        call?.answered(reason)
    }

    private func fail(_ fault: UpstreamFault) {
        mode = .over
        sink.conclude(isWhole: false)
        cancel()
        let call = call
        self.call = nil
        call?.failed(fault, hasDelivered: decoder.hasDelivered)
    }
}
