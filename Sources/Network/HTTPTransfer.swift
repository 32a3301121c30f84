import Bytes
import CCurl
import HTTP

/// One outbound request and its response. A subclass overrides the `open` methods; start it by ``HTTPClient/start(_:)``.
///
/// Loop-confined. Its methods are called from the loop, never from within libcurl, so they may start and cancel transfers.
open class HTTPTransfer {
    /// How a transfer ended.
    public enum End: Sendable, Hashable {
        /// The response is complete.
        case finished(status: Int)
        case failed(HTTPTransferError)
    }

    private enum State {
        case idle
        case running(HTTPClient, CurlHandle)
        case ended
    }

    /// Most bytes of a response's fields.
    static let maxFieldsByteCount = 64 * 1024
    /// Most bytes that wait for delivery, except those that libcurl has already read. Without a limit, it reads up to 1.6 MB at
    /// once, and processing that would delay the loop's other connections.
    static let maxInboxByteCount = 64 * 1024
    /// Bytes delivered at once; a pause takes effect after each piece.
    static let pieceByteCount = 16 * 1024

    public let request: HTTPClientRequest
    private var state = State.idle
    private var silenceTimer: LoopTimer?
    private var silence: SilenceWatch
    /// Whether every byte of the response ends a silence. If not, only ``noteProgress()`` does, so that keep-alive bytes do not
    /// count.
    public final var endsSilenceWithBytes = true
    /// For a compressed body.
    private var unpacker: BodyUnpacker?
    /// The body's error, if any.
    private var bodyFault: HTTPTransferError?

    /// Bytes received in this iteration of the loop and not yet delivered.
    private var inbox = ByteBuffer()
    private var head: HTTPClientResponse?
    private var headIsWhole = false
    private var headIsDelivered = false
    private var fieldsByteCount = 0
    var isTouched = false
    private var isPaused = false
    /// Whether libcurl is paused until the inbox is delivered.
    private var isInboxFull = false
    private var isDelivering = false
    /// The end, while undelivered data precedes it.
    private var waitingEnd: End?
    /// An address was refused by the policy.
    var refusedDestination = false
    /// There was no descriptor for its socket.
    var lacksDescriptor = false

    public init(_ request: HTTPClientRequest) {
        self.request = request
        silence = SilenceWatch(timeout: request.silenceTimeout, uploadByteCount: request.body.count)
    }

    // MARK: For the subclass

    /// Status and fields of the response, once; interim responses (1xx) are skipped.
    open func receivedHead(_ head: HTTPClientResponse) {}
    /// A piece of the body, valid within the call.
    open func received(_ bytes: UnsafeRawBufferPointer) {}
    /// The last call; not made after ``cancel()``.
    open func ended(_ end: End) {}

    // MARK: Control

    public var isRunning: Bool { if case .running = state { true } else { false } }

    /// Cancels the transfer. When this returns, the connection is closed, and nothing more is delivered. Allowed at any time,
    /// including from the methods above and before the start.
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

    /// Pauses reading until ``resume()``. The piece being delivered is not affected.
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

    /// Restarts the silence timeout.
    public final func noteProgress() {
        // Once a token: the time at which the iteration began will do.
        if case .running(let client, _) = state { silence.progress(now: client.loop.now) }
    }

    /// Changes the silence timeout and restarts it.
    public func limitSilence(to timeout: Duration) {
        silence.timeout = timeout
        guard case .running(let client, _) = state else { return }
        silence.progress(now: client.loop.clock.now)
        silenceTimer?.cancel()
        checkSilence()
    }

    // MARK: For the client

    func started(_ client: HTTPClient, _ handle: CurlHandle) {
        guard case .idle = state else { return }
        state = .running(client, handle)
        let now = client.loop.clock.now
        silence.progress(now: now)
        handle.limitConnecting(of: request, now: now)
        checkSilence()
    }

    var isStartable: Bool { if case .idle = state { true } else { false } }

    /// The transfer ended by itself: deliver the buffered data, then the end.
    func complete(_ end: End) {
        guard case .running = state else { return }
        deliverWhatCame()
        guard case .running(let client, let handle) = state else { return }
        // A stopping loop takes precedence over the body's error.
        let end = end == .failed(.loopStopped) ? end : bodyFault.map { .failed($0) } ?? end
        // Paused before all was delivered, or not decompressed yet. A stopping loop does not wait.
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

    /// libcurl has finished the transfer.
    func completed(_ code: CURLcode) {
        guard case .running(_, let handle) = state else { return }
        if code == CURLE_OK {
            complete(headIsWhole ? .finished(status: status) : .failed(.cut))
        } else if refusedDestination, !handle.wasConnected {
            complete(.failed(.destinationNotAllowed))
        } else if !handle.wasConnected, lacksDescriptor || DescriptorLimits.areExhausted {
            // Without descriptors, names cannot be resolved and certificates cannot be read: whatever libcurl reports, it is not
            // the server's fault.
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

    // MARK: From within libcurl: only buffer

    /// A header line with its line end, of this response or a preceding interim one.
    func takeHeaderLine(_ line: UnsafeRawBufferPointer) -> Bool {
        if endsSilenceWithBytes { noteProgress() }
        // Trailers follow the head and are not used.
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
            // Invalid fields are ignored.
            try? head?.fields.append(String(text[..<colon]), String(text[text.index(after: colon)...]))
            if request.unpacksBody, text[..<colon].lowercased() == "content-encoding" {
                return takeCoding(String(text[text.index(after: colon)...]))
            }
        }
        return true
    }

    /// - Returns: false if the body cannot be decompressed.
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

    /// - Returns: false if the rest of the body is not needed.
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
            // libcurl delivers its buffered data within this call.
            handle.pause(false)
            client.deliverSoon(self)
        }
    }

    /// Whether some of the body is undelivered; a faulty body is not delivered.
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
        // Separate from data that libcurl may add meanwhile.
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

    /// Decompresses and delivers within this iteration's budget.
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
                    // Discard it, and the output from it.
                    packed.clear()
                    inbox.clear()
                    self.unpacker = nil
                    return
                }
            }
        }
        if isRunning, !isPaused, !packed.isEmpty || unpacker.holdsOutput { client.deliverSoon(self) }
    }

    /// Ends the transfer if the silence, or connecting, has lasted too long; otherwise schedules the next check.
    private func checkSilence() {
        guard case .running(let client, let handle) = state else { return }
        let now = client.loop.clock.now
        let connectTimeLeft = handle.connectTimeLeft(now: now)
        if let connectTimeLeft, connectTimeLeft <= .zero {
            complete(.failed(.connectTimedOut))
            return
        }
        let next = silence.look(now: now, uploadedByteCount: handle.uploadedByteCount, isPaused: isPaused)
        guard var next else {
            complete(.failed(.silence(silence.timeout)))
            return
        }
        if let connectTimeLeft { next = min(next, connectTimeLeft) }
        // Cancelled when the transfer ends, which the client retains until then. A weak reference would slow down every retain.
        silenceTimer = client.loop.schedule(after: next) { [unowned self] in checkSilence() }
    }
}

extension String {
    fileprivate var trimmingLineEnd: String {
        // CRLF is one grapheme, so split by bytes.
        var bytes = utf8[...]
        while let last = bytes.last, last == 13 || last == 10 { bytes = bytes.dropLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
