import Bytes
import HTTP
import Network
import Sessions

/// One attempt at an upstream: its bytes go through a decoder straight to the generation. Loop-confined.
final class UpstreamExchange<Decoder: ResponseDecoder & ~Copyable>: HeldTransfer {
    private enum Mode {
        case awaitingHead
        case stream
        /// Success, but all in one piece.
        case whole
        case refusal(status: Int, retryAfterSeconds: Double?)
        /// Nothing more is expected but the end of the body.
        case over
    }

    private let generation: Generation
    private weak var call: UpstreamCall?
    private var decoder = Decoder()
    private var mode = Mode.awaitingHead
    private var contentType = ""
    private var collected = ByteBuffer()
    private var isAnswering = false
    /// Of the body, where it is not that of the head.
    private let silenceTimeout: Duration

    init(_ request: HTTPClientRequest, call: UpstreamCall, generation: Generation, silenceTimeout: Duration) {
        self.silenceTimeout = silenceTimeout
        self.call = call
        self.generation = generation
        super.init(request)
    }

    override func receivedHead(_ head: HTTPClientResponse) {
        if request.silenceTimeout != silenceTimeout { limitSilence(to: silenceTimeout) }
        contentType = head.fields["content-type"]?.lowercased() ?? ""
        if !(200..<300).contains(head.status) {
            let retryAfter = RetryAfter.seconds(head.fields, status: head.status, now: call?.loop.unixTime ?? 0)
            mode = .refusal(status: head.status, retryAfterSeconds: retryAfter)
        } else {
            mode = contentType.hasPrefix("application/json") ? .whole : .stream
            generation.accepted()
            bodyIsAnswer()
        }
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        switch mode {
        case .stream: receivedStream(bytes)
        case .whole:
            collected.append(bytes)
            if collected.count > UpstreamLimits.maxWholeBodyBytes {
                fail(.malformed("an answer of more than \(UpstreamLimits.maxWholeBodyBytes) bytes"))
            }
        case .refusal(let status, let retryAfter):
            collected.append(bytes)
            if collected.count > UpstreamLimits.maxErrorBodyBytes { failWithStatus(status, retryAfter) }
        case .over:
            // Whoever goes on after the end gets no second connection's worth of patience.
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
        case .stream: endStream()
        case .whole: endWhole()
        case .refusal(let status, let retryAfter): failWithStatus(status, retryAfter)
        case .awaitingHead, .over: break
        }
    }

    private func receivedStream(_ bytes: UnsafeRawBufferPointer) {
        do throws(UpstreamFault) {
            let reason = try decoder.receive(bytes, into: generation)
            if !isAnswering, decoder.hasDelivered {
                isAnswering = true
                call?.answering()
            }
            if let reason { finish(reason) }
        } catch {
            endCut(error)
        }
    }

    /// The rest of the answer cannot be had. It is whole all the same if it had said that it ends, or is all there.
    private func endCut(_ fault: UpstreamFault) {
        do throws(UpstreamFault) {
            switch mode {
            case .stream where decoder.hasFinished: finish(try decoder.end(into: generation))
            case .whole where !collected.isEmpty: finish(try decoder.receiveWhole(collected.bytes, into: generation))
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
            finish(try decoder.end(into: generation))
        } catch {
            let isOther = !contentType.isEmpty && !contentType.hasPrefix("text/event-stream")
            if isOther, !decoder.hasDelivered {
                let type = contentType.prefix { $0 != ";" && $0 != " " }
                fail(.notAStream(contentType: String(type.prefix(100))))
            } else {
                fail(error)
            }
        }
    }

    private func endWhole() {
        do throws(UpstreamFault) {
            finish(try decoder.receiveWhole(collected.bytes, into: generation))
        } catch {
            fail(error)
        }
    }

    private func failWithStatus(_ status: Int, _ retryAfter: Double?) {
        fail(.status(status, UpstreamErrorObject(body: collected.array), retryAfterSeconds: retryAfter))
    }

    private func finish(_ reason: FinishReason) {
        mode = .over
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
        cancel()
        let call = call
        self.call = nil
        call?.failed(fault, hasDelivered: decoder.hasDelivered)
    }
}
