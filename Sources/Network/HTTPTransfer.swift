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

    /// How the response's body comes.
    private enum BodyCoding {
        case none, packed
        /// What is wrong with it.
        case refused(String)
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
    /// The same of a body that comes packed.
    static let maxUnpackedInboxByteCount = 1 << 20
    /// A packed body may have this many bytes for each that came, beyond the first ``freeUnpackedByteCount``. A stream of small JSON
    /// chunks packs to a fiftieth; DEFLATE ends at a thousandth, and what goes there is made to cost us.
    static let maxUnpackingRatio = 200
    static let freeUnpackedByteCount = 4 << 20
    /// Bytes delivered at once: whoever pauses in between gets no more.
    static let pieceByteCount = 16 * 1024

    public let request: HTTPClientRequest
    private var state = State.idle
    private var silenceTimer: LoopTimer?
    private var silenceTimeout: Duration
    /// When the silence began.
    private var progressedAt = Instant(nanoseconds: 0)
    /// Whether every byte of the response ends a silence. If not, only what ``noteProgress()`` is called for does: bytes that keep a
    /// connection alive say nothing, for however long they come.
    public final var endsSilenceWithBytes = true
    private var uploadedByteCount = 0
    private var coding = BodyCoding.none
    private var unpackedByteCount = 0

    /// What has come in this turn and is not yet delivered.
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
        silenceTimeout = request.silenceTimeout
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
        progressedAt = client.loop.now
        isInboxFull = true
        client.deliverSoon(self)
    }

    /// What came was worth waiting for: the silence begins anew.
    public final func noteProgress() { progressedAt = Instant.monotonicNow }

    /// From now on the silence may last so long; counts from now.
    public func limitSilence(to timeout: Duration) {
        silenceTimeout = timeout
        guard case .running(let client, _) = state else { return }
        progressedAt = client.loop.now
        silenceTimer?.cancel()
        armSilenceTimer(client)
    }

    // MARK: For the client

    func started(_ client: HTTPClient, _ handle: CurlHandle) {
        guard case .idle = state else { return }
        state = .running(client, handle)
        progressedAt = Instant.monotonicNow
        armSilenceTimer(client)
    }

    var isStartable: Bool { if case .idle = state { true } else { false } }

    /// The transfer is over of itself: deliver what is there and then the end.
    func complete(_ end: End) {
        guard case .running = state else { return }
        deliver()
        guard case .running(let client, let handle) = state else { return }
        // Somebody paused before all of it was delivered. A loop that stops waits for nobody.
        if !inbox.isEmpty, end != .failed(.loopStopped) {
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
        } else if case .refused(let what) = coding {
            complete(.failed(.notHTTP(what)))
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

    /// - Returns: false if the body cannot be unpacked. libcurl knows more codings than these, and some that make anything of nothing.
    private func takeCoding(_ value: String) -> Bool {
        for word in value.lowercased().split(whereSeparator: { $0 == "," || $0.isWhitespace }) where word != "identity" {
            guard ["gzip", "x-gzip", "deflate"].contains(word), case .none = coding else {
                coding = .refused("a body packed by \(value.trimmingLineEnd.prefix(60)), which was not asked for")
                return false
            }
            coding = .packed
        }
        return true
    }

    /// - Returns: false if the body has become larger than any honest one.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .running(_, let handle) = state else { return true }
        if case .packed = coding {
            unpackedByteCount += bytes.count
            let ratio = Self.maxUnpackingRatio
            if unpackedByteCount > Self.freeUnpackedByteCount,
                (unpackedByteCount - Self.freeUnpackedByteCount) / ratio > handle.downloadedByteCount
            {
                coding = .refused("a body that unpacks to more than \(ratio) times its size")
                return false
            }
        }
        inbox.append(bytes)
        // What libcurl has unpacked of the bytes that it read it gives all the same, and copies it for each pause in between.
        let isPacked = if case .packed = coding { true } else { false }
        guard inbox.count >= (isPacked ? Self.maxUnpackedInboxByteCount : Self.maxInboxByteCount), !isInboxFull else { return true }
        isInboxFull = true
        handle.pause(true)
        return true
    }

    // MARK: From the loop

    func deliver() {
        if endsSilenceWithBytes { noteProgress() }
        if headIsWhole, !headIsDelivered, let head {
            headIsDelivered = true
            receivedHead(head)
        }
        deliverInbox()
        guard case .running(let client, let handle) = state, inbox.isEmpty else { return }
        if let end = waitingEnd {
            waitingEnd = nil
            complete(end)
        } else if isInboxFull, !isPaused {
            // Its end is on the way.
            if case .refused = coding { return }
            isInboxFull = false
            // libcurl gives what it had kept within the call.
            handle.pause(false)
            if case .refused(let what) = coding { complete(.failed(.notHTTP(what))) } else { client.deliverSoon(self) }
        }
    }

    private func deliverInbox() {
        if isDelivering { return }
        isDelivering = true
        // Apart from what libcurl may give meanwhile.
        var pieces = ByteBuffer()
        swap(&pieces, &inbox)
        while isRunning, !isPaused, !pieces.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: pieces.bytes.prefix(Self.pieceByteCount))
            received(piece)
            pieces.consume(piece.count)
        }
        if !pieces.isEmpty || inbox.isEmpty {
            pieces.append(inbox.bytes)
            swap(&pieces, &inbox)
            if inbox.isEmpty { inbox.clear(keepingCapacity: Self.maxInboxByteCount) }
        }
        isDelivering = false
    }

    private func armSilenceTimer(_ client: HTTPClient) {
        let left = progressedAt + silenceTimeout - Instant.monotonicNow
        silenceTimer = client.loop.schedule(after: max(left, .milliseconds(1))) { [weak self] in self?.checkSilence() }
    }

    private func checkSilence() {
        guard case .running(let client, let handle) = state else { return }
        let now = Instant.monotonicNow
        let uploaded = handle.uploadedByteCount
        if isPaused || uploaded != uploadedByteCount {
            // A long prompt on a slow line is no silence, nor is one that we asked for.
            uploadedByteCount = uploaded
            progressedAt = now
        }
        if now - progressedAt >= silenceTimeout {
            complete(.failed(.silence(silenceTimeout)))
        } else {
            armSilenceTimer(client)
        }
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
