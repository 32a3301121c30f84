import Bytes
import HTTP
import JSON
import Network
import Sessions

/// One attempt at an upstream: its bytes go through a decoder straight to the generation. Loop-confined.
final class UpstreamExchange<Decoder: ResponseDecoder & ~Copyable, Sink: AnswerSink>: HeldTransfer {
    private enum Mode {
        case awaitingHead
        /// Success, as whatever begins to come.
        case beginning(BodySniffer)
        case stream
        /// All in one piece.
        case whole
        /// No answer but a page or words.
        case other
        case refusal(status: Int, retryAfterSeconds: Double?)
        /// Nothing more is expected but the end of the body.
        case over
    }

    private let sink: Sink
    private weak var call: UpstreamCall?
    private var decoder = Decoder()
    private var mode = Mode.awaitingHead
    private var contentType = ""
    private var collected = ByteBuffer()
    /// As ``AnswerSink/progressCount`` when something of the answer came last.
    private var progressCount = 0
    private var isAnswering = false
    /// The finish reason has come, and the end of the stream has not.
    private var isAwaitingRest = false
    /// Of the body, where it is not that of the head.
    private let silenceTimeout: Duration

    init(_ request: HTTPClientRequest, call: UpstreamCall, sink: Sink, silenceTimeout: Duration) {
        self.silenceTimeout = silenceTimeout
        self.call = call
        self.sink = sink
        super.init(request)
        endsSilenceWithBytes = false
    }

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

    /// As long as nothing of the answer has come, an error may come in its place, and clients whose status is held are told by that.
    /// A model that thinks for longer has taken the request.
    private func acceptSoon() {
        call?.loop.schedule(after: UpstreamLimits.acceptanceDelay) { [weak self] in
            guard let self, self.isRunning else { return }
            switch self.mode {
            case .beginning, .stream, .whole: self.sink.target.accepted()
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
            // Servers that keep a connection alive with white space do so before the answer.
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
            // An upstream that continues after the end is not waited for.
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

    /// The body has ended before it began.
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

    /// The rest of the answer cannot be had. It is whole all the same if it had said that it ends, or is all there.
    private func endCut(_ fault: UpstreamFault) {
        // An error that says what has happened, also where the reason of the end has said only that something has.
        if case .inBand = fault { return fail(fault) }
        do throws(UpstreamFault) {
            switch mode {
            // The status says what has happened, however little of its body came.
            case .refusal(let status, let retryAfter) where fault != .transport(.loopStopped):
                return failWithStatus(status, retryAfter)
            case .stream where decoder.hasFinished: finish(try decoder.end(into: sink))
            case .whole where !collected.isEmpty: finish(try decoder.receiveWhole(collected.bytes, into: sink))
            default: throw fault
            }
            // Nothing of it is of use any more.
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

    /// What the body says instead of an answer, if it is an error without a member `error`.
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
        // Nobody is left who would release it, and nothing that comes now is delivered.
        release()
        // The connection is of use again if the body ends soon, as it should.
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
