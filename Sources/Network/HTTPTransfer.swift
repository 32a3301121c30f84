import Bytes
import CCurl
import HTTP

/// One outbound request and its response. A subclass overrides the `open` methods; start it by ``HTTPClient/start(_:)``.
///
/// Loop-confined. Its calls come from the loop, never from within libcurl, so that they may start and cancel transfers at will.
open class HTTPTransfer {
    /// How a transfer ended.
    public enum End: Sendable, Hashable {
        /// The response came whole.
        case finished(status: Int)
        case failed(HTTPTransferError)
    }

    private enum State {
        case idle
        case running(HTTPClient, CurlHandle)
        case ended
    }

    /// Bytes of all fields of a response, at most.
    static let maxFieldsByteCount = 64 * 1024
    /// Bytes that wait for delivery, at most, but for what libcurl had read already: in one go it would read 1.6 MB, and what all
    /// that sets off would hold up everybody else of the loop.
    static let maxInboxByteCount = 64 * 1024
    /// Bytes delivered at once: whoever pauses in between gets no more.
    static let pieceByteCount = 16 * 1024

    public let request: HTTPClientRequest
    private var state = State.idle
    private var silenceTimer: LoopTimer?
    private var silence: SilenceWatch
    /// Whether every byte of the response ends a silence. If not, only what ``noteProgress()`` is called for does: bytes that keep a
    /// connection alive say nothing, for however long they come.
    public final var endsSilenceWithBytes = true
    /// Of a body that comes packed.
    private var unpacker: BodyUnpacker?
    /// What is wrong with the body.
    private var bodyFault: HTTPTransferError?

    /// What has come in this iteration of the loop and is not yet delivered.
    private var inbox = ByteBuffer()
    private var head: HTTPClientResponse?
    private var headIsWhole = false
    private var headIsDelivered = false
    private var fieldsByteCount = 0
    var isTouched = false
    private var isPaused = false
    /// Whether libcurl waits until the inbox was delivered.
    private var isInboxFull = false
    private var isDelivering = false
    /// How it ended, while that waits behind what was not taken yet.
    private var waitingEnd: End?
    /// An address was refused to it.
    var refusedDestination = false
    /// There was no descriptor for its socket.
    var lacksDescriptor = false

    public init(_ request: HTTPClientRequest) {
        self.request = request
        silence = SilenceWatch(timeout: request.silenceTimeout, uploadByteCount: request.body.count)
    }

    // MARK: For the subclass

    /// Status and fields of the response, once; interim responses (1xx) are passed over.
    open func receivedHead(_ head: HTTPClientResponse) {}
    /// A piece of the body, valid within the call.
    open func received(_ bytes: UnsafeRawBufferPointer) {}
    /// The last call; none comes after a ``cancel()``.
    open func ended(_ end: End) {}

    // MARK: Control

    public var isRunning: Bool { if case .running = state { true } else { false } }

    /// Gives the transfer up. When it returns, its connection is closed, and nothing is delivered any more.
    /// Allowed at any time, also from the methods above and before the start.
    public func cancel() {
        guard case .running(let client, let handle) = state else {
            state = .ended
            return
        }
        state = .ended
        silenceTimer?.cancel()
        handle.forbidReuse()
        client.remove(self, handle)
    }

    /// Takes no more from the connection until ``resume()``. Of a piece that is being delivered nothing is kept back.
    public func pause() {
        guard case .running(_, let handle) = state, !isPaused else { return }
        isPaused = true
        handle.pause(true)
    }

    public func resume() {
        guard case .running(let client, _) = state, isPaused else { return }
        isPaused = false
        silence.progress(now: client.loop.now)
        isInboxFull = true
        client.deliverSoon(self)
    }

    /// What came was worth waiting for: the silence begins anew.
    public final func noteProgress() { silence.progress(now: Instant.monotonicNow) }

    /// From now on the silence may last so long; counts from now.
    public func limitSilence(to timeout: Duration) {
        silence.timeout = timeout
        guard case .running = state else { return }
        silence.progress(now: Instant.monotonicNow)
        silenceTimer?.cancel()
        checkSilence()
    }

    // MARK: For the client

    func started(_ client: HTTPClient, _ handle: CurlHandle) {
        guard case .idle = state else { return }
        state = .running(client, handle)
        silence.progress(now: Instant.monotonicNow)
        checkSilence()
    }

    var isStartable: Bool { if case .idle = state { true } else { false } }

    /// The transfer is over of itself: deliver what is there and then the end.
    func complete(_ end: End) {
        guard case .running = state else { return }
        deliverWhatCame()
        guard case .running(let client, let handle) = state else { return }
        // A loop that stops says nothing of the body.
        let end = end == .failed(.loopStopped) ? end : bodyFault.map { .failed($0) } ?? end
        // Somebody paused before all of it was delivered, or it is not unpacked yet. A loop that stops waits for nobody.
        if hasRest, end != .failed(.loopStopped) {
            waitingEnd = end
            return
        }
        state = .ended
        silenceTimer?.cancel()
        if case .failed = end { handle.forbidReuse() }
        client.remove(self, handle)
        ended(end)
    }

    /// libcurl is done with it.
    func completed(_ code: CURLcode) {
        guard case .running(_, let handle) = state else { return }
        if code == CURLE_OK {
            complete(headIsWhole ? .finished(status: status) : .failed(.cut))
        } else if refusedDestination, !handle.wasConnected {
            complete(.failed(.destinationNotAllowed))
        } else if !handle.wasConnected, lacksDescriptor || DescriptorLimits.areExhausted {
            // Neither can a name be looked up then, nor certificates be read: whatever libcurl says, it is not the server's fault.
            complete(.failed(.noDescriptors))
        } else if fieldsByteCount > Self.maxFieldsByteCount {
            complete(.failed(.notHTTP("more than \(Self.maxFieldsByteCount) bytes of header fields")))
        } else if let bodyFault {
            complete(.failed(bodyFault))
        } else {
            let error = HTTPTransferError(
                code, detail: handle.failureText, hasTotalTimeout: request.totalTimeout != nil, wasConnected: handle.wasConnected)
            complete(.failed(error))
        }
    }

    var client: HTTPClient? { if case .running(let client, _) = state { client } else { nil } }
    private var status: Int { head?.status ?? 0 }

    // MARK: From within libcurl: only take in

    /// A header line with its end, of this response or of an interim one before it.
    func takeHeaderLine(_ line: UnsafeRawBufferPointer) -> Bool {
        if endsSilenceWithBytes { noteProgress() }
        // Trailers come after the head and carry nothing for us.
        if headIsWhole { return true }
        fieldsByteCount += line.count
        guard fieldsByteCount <= Self.maxFieldsByteCount else { return false }
        let text = String(decoding: line, as: UTF8.self).trimmingLineEnd
        if text.hasPrefix("HTTP/") {
            let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) } ?? 0
            head = HTTPClientResponse(status: status)
        } else if text.isEmpty {
            headIsWhole = status >= 200
        } else if let colon = text.firstIndex(of: ":") {
            // A field that is none is not worth a failure.
            try? head?.fields.append(String(text[..<colon]), String(text[text.index(after: colon)...]))
            if request.unpacksBody, text[..<colon].lowercased() == "content-encoding" {
                return takeCoding(String(text[text.index(after: colon)...]))
            }
        }
        return true
    }

    /// - Returns: false if the body cannot be unpacked.
    private func takeCoding(_ value: String) -> Bool {
        for word in value.lowercased().split(whereSeparator: { $0 == "," || $0.isWhitespace }) where word != "identity" {
            guard ["gzip", "x-gzip", "deflate"].contains(word), unpacker == nil else {
                let what = value.drop(while: \.isWhitespace).prefix(60)
                bodyFault = .notHTTP("a body packed by \(what), which was not asked for")
                return false
            }
            unpacker = BodyUnpacker(word == "deflate" ? .deflate : .gzip)
        }
        return true
    }

    /// - Returns: false if no more of the body is of use.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .running(_, let handle) = state else { return true }
        if bodyFault != nil { return false }
        inbox.append(bytes)
        guard inbox.count >= Self.maxInboxByteCount, !isInboxFull else { return true }
        isInboxFull = true
        handle.pause(true)
        return true
    }

    // MARK: From the loop

    func deliver() {
        deliverWhatCame()
        guard case .running(let client, let handle) = state else { return }
        if let bodyFault {
            complete(.failed(bodyFault))
            return
        }
        if hasRest { return }
        if let end = waitingEnd {
            waitingEnd = nil
            complete(end)
        } else if isInboxFull, !isPaused {
            isInboxFull = false
            // libcurl gives what it had kept within the call.
            handle.pause(false)
            client.deliverSoon(self)
        }
    }

    /// Whether something of the body is to be delivered yet: of a faulty one nothing is.
    private var hasRest: Bool { bodyFault == nil && (!inbox.isEmpty || unpacker?.holdsOutput == true) }

    private func deliverWhatCame() {
        if endsSilenceWithBytes { noteProgress() }
        if headIsWhole, !headIsDelivered, let head {
            headIsDelivered = true
            receivedHead(head)
        }
        deliverInbox()
    }

    private func deliverInbox() {
        guard !isDelivering, bodyFault == nil, case .running(let client, _) = state else { return }
        isDelivering = true
        // Apart from what libcurl may give meanwhile.
        var pieces = ByteBuffer()
        swap(&pieces, &inbox)
        if let unpacker {
            deliverUnpacked(&pieces, unpacker, client)
        } else {
            while isRunning, !isPaused, !pieces.isEmpty {
                let piece = UnsafeRawBufferPointer(rebasing: pieces.bytes.prefix(Self.pieceByteCount))
                received(piece)
                pieces.consume(piece.count)
            }
        }
        if !pieces.isEmpty || inbox.isEmpty {
            pieces.append(inbox.bytes)
            swap(&pieces, &inbox)
            if inbox.isEmpty { inbox.clear(keepingCapacity: Self.maxInboxByteCount) }
        }
        isDelivering = false
    }

    /// Unpacks and delivers as much as this iteration of the loop may.
    private func deliverUnpacked(_ packed: inout ByteBuffer, _ unpacker: BodyUnpacker, _ client: HTTPClient) {
        var isBudgetSpent = false
        while isRunning, !isPaused {
            if let piece = unpacker.nextPiece(Self.pieceByteCount) {
                received(piece)
                unpacker.consume(piece.count)
            } else if isBudgetSpent || packed.isEmpty && !unpacker.holdsOutput {
                break
            } else {
                do throws(HTTPTransferError) {
                    isBudgetSpent = try unpacker.step(&packed, on: client.loop)
                } catch {
                    bodyFault = error
                    // It is of no use any more, and neither is what was unpacked of it.
                    packed.clear()
                    inbox.clear()
                    self.unpacker = nil
                    return
                }
            }
        }
        if isRunning, !isPaused, !packed.isEmpty || unpacker.holdsOutput { client.deliverSoon(self) }
    }

    /// Ends a silence that has lasted too long; else looks again when it may have.
    private func checkSilence() {
        guard case .running(let client, let handle) = state else { return }
        let next = silence.look(now: Instant.monotonicNow, uploadedByteCount: handle.uploadedByteCount, isPaused: isPaused)
        guard let next else {
            complete(.failed(.silence(silence.timeout)))
            return
        }
        silenceTimer = client.loop.schedule(after: next) { [weak self] in self?.checkSilence() }
    }
}

extension String {
    fileprivate var trimmingLineEnd: String {
        // As a grapheme CRLF is one character.
        var bytes = utf8[...]
        while let last = bytes.last, last == 13 || last == 10 { bytes = bytes.dropLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
