public import Bytes

/// One end of an open WebSocket connection, in either role: RFC 6455 after the opening handshake, without I/O.
///
///     var input = bytesJustRead
///     while let event = endpoint.next(&input, output: &output) {
///         // handle the event; endpoint.send(...) may be called here
///     }
///     // write output, then do what endpoint.transportAction says
///
/// The endpoint answers pings, performs the close handshake, and closes on violations. Because events are pulled one at a time,
/// replies to earlier events precede a close frame caused by a later byte.
public struct WebSocketEndpoint: ~Copyable {
    /// RFC 6455 §4.1, §7.1.3 and §7.1.4.
    public enum State: Equatable, Sendable {
        case open
        /// A close frame was sent; the peer's has not arrived. Further messages are discarded, as browsers do. The owner limits
        /// this time, then calls ``transportEnded()``.
        case closing
        /// Nothing more is sent or delivered.
        case closed(TransportAction)
    }

    /// How pings are answered.
    private enum PongPolicy {
        case each
        /// The output is backed up: only the latest ping is answered.
        case latestWhenDrained
    }

    /// Memory allocated for compression in both directions, in bytes.
    public var deflateMemoryByteCount: Int { receiver.deflateMemoryByteCount + writer.deflateMemoryByteCount }

    /// Compressed bytes decompressed in total, for metering: they cost up to 0.3 µs each. Wraps around.
    public var deflatedByteCount: UInt32 { receiver.deflatedByteCount }

    /// Memory for the peer's incomplete message, in bytes.
    public var heldByteCount: Int { receiver.heldByteCount }

    private let role: Role
    private let maxUnsentBytesBeforePongsWait: Int
    private var receiver: Receiver
    private var writer: FrameWriter
    private var pongPolicy = PongPolicy.each
    /// The pong frame for the latest postponed ping.
    private var waitingPong: [UInt8] = []
    public private(set) var state = State.open

    /// - Parameter scratch: shared by endpoints used one after another on the same thread.
    public init(
        role: Role, limits: WebSocketLimits = WebSocketLimits(), extensions: NegotiatedExtensions = .none,
        scratch: ReceiverScratch = ReceiverScratch()
    ) {
        self.role = role
        maxUnsentBytesBeforePongsWait = limits.maxUnsentBytesBeforePongsWait
        receiver = Receiver(role: role, limits: limits, extensions: extensions, scratch: scratch)
        writer = FrameWriter(role: role, extensions: extensions)
    }

    /// What the owner must do with the transport after flushing the output.
    public var transportAction: TransportAction {
        switch state {
        case .open, .closing: .keepOpen
        case .closed(let action): action
        }
    }

    /// The next event in `input`. Nil if it is used up, or if other connections should be served before decompressing the rest: see
    /// ``Receiver/next(_:)``.
    ///
    /// - Parameters:
    ///   - input: the bytes that were read; consumed from the front and unmasked in place.
    ///   - output: receives pongs and close frames.
    ///   - maxDeflatedBytes: compressed bytes to consume before returning.
    public mutating func next(
        _ input: inout UnsafeMutableRawBufferPointer, output: inout ByteBuffer,
        maxDeflatedBytes: Int = Receiver.maxDeflatedBytesAtOnce
    ) -> EndpointEvent? {
        if !waitingPong.isEmpty { appendWaitingPong(into: &output) }
        do throws(ProtocolViolation) {
            while let event = try receiver.next(&input, maxDeflatedBytes: maxDeflatedBytes) {
                switch (state, event) {
                case (.open, .text(let payload)): return .text(payload)
                case (.open, .binary(let payload)): return .binary(payload)
                case (.open, .pong(let payload)): return .pong(payload)
                case (.open, .ping(let payload)):
                    answer(payload, into: &output)
                    return .ping(payload)
                case (.open, .close(let code, let reason)):
                    // §5.5.1: the reply typically echoes the code.
                    writer.appendClose(code, into: &output)
                    return closed(by: code, reason, role == .server ? .halfCloseAndLinger : .awaitPeerClose)
                case (.closing, .close(let code, let reason)):
                    // Output before our close frame may still be in transit.
                    return closed(by: code, reason, role == .server ? .halfCloseAndLinger : .awaitPeerClose)
                case (.closing, _), (.closed, _): continue
                }
            }
            return nil
        } catch {
            return failed(error, into: &output)
        }
    }

    /// Whether the next frame in `input` is a close frame. False within a frame.
    package func isCloseNext(_ input: UnsafeMutableRawBufferPointer) -> Bool { receiver.isCloseNext(input) }

    // Sending

    /// Sends a message as one frame, compressed if negotiated and worthwhile. Text must be UTF-8.
    ///
    /// - Parameter suffix: appended to the payload in the same message, so callers need not join the two.
    public mutating func send(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer,
        suffix: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.appendMessage(kind, payload, suffix: suffix, into: &output)
    }

    /// Sends the first fragment of a message.
    /// - Parameter byteCount: size of the whole message, which decides whether it is compressed; nil if not known yet.
    public mutating func startMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, byteCount: Int? = nil, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.startMessage(kind, payload, byteCount: byteCount, into: &output)
    }

    /// Sends a further fragment.
    public mutating func continueMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.continueMessage(payload, into: &output)
    }

    /// Sends the last fragment; its payload may be empty.
    public mutating func endMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.endMessage(payload, into: &output)
    }

    /// Sends only the header of a message. The caller sends the uncompressed payload, in one or more pieces, before anything else:
    /// see ``FrameWriter/appendHeader(_:payloadByteCount:into:)``.
    @discardableResult
    public mutating func sendHeader(
        _ kind: MessageKind, payloadByteCount: Int, into output: inout ByteBuffer
    ) throws(SendError) -> MaskingKey? {
        try checkOpen()
        return try writer.appendHeader(kind, payloadByteCount: payloadByteCount, into: &output)
    }

    /// Sends a ping of at most 125 bytes; the peer's pong arrives as ``EndpointEvent/pong(_:)``.
    public mutating func ping(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.appendPing(payload, into: &output)
    }

    /// Sends an unsolicited pong of at most 125 bytes: a heartbeat without a reply, §5.5.3.
    public mutating func pong(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.appendPong(payload, into: &output)
    }

    private func checkOpen() throws(SendError) {
        guard case .open = state else { throw .connectionClosing }
    }

    // Pongs and backpressure

    /// Call when the transport is blocked: from then on only the latest ping is answered.
    public mutating func outputBackedUp() { pongPolicy = .latestWhenDrained }

    /// Call when the output has been sent: answers the postponed ping.
    public mutating func outputDrained(into output: inout ByteBuffer) {
        pongPolicy = .each
        if !waitingPong.isEmpty { appendWaitingPong(into: &output) }
    }

    private mutating func answer(_ ping: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        // The receiver limits the payload, so the writer cannot refuse it.
        if mayAnswerNow(output) {
            try? writer.appendPong(ping, into: &output)
        } else {
            var frame = ByteBuffer()
            try? writer.appendPong(ping, into: &frame)
            waitingPong = frame.array
        }
    }

    private mutating func appendWaitingPong(into output: inout ByteBuffer) {
        guard mayAnswerNow(output) else { return }
        output.append(waitingPong)
        waitingPong = []
    }

    private func mayAnswerNow(_ output: borrowing ByteBuffer) -> Bool {
        switch pongPolicy {
        case .each: output.count <= maxUnsentBytesBeforePongsWait
        case .latestWhenDrained: false
        }
    }

    // Closing

    /// Starts the close handshake, RFC 6455 §7.1.2: nothing can be sent afterwards, and the peer's close frame causes the last
    /// event. No effect if the connection is closing already.
    ///
    /// - Parameters:
    ///   - code: a code not allowed on the wire gives a close frame without a code.
    ///   - reason: for debugging; truncated to 123 bytes.
    public mutating func close(_ code: CloseCode?, reason: String = "", into output: inout ByteBuffer) {
        guard case .open = state else { return }
        forgetWaitingPong()
        writer.appendClose(code, reason: reason, into: &output)
        writer.end()
        receiver.dropMessages()
        state = .closing
    }

    /// Call when the transport has ended: the peer closed it, it failed, or the closing timeout passed.
    ///
    /// - Returns: the last event's content, or nil if it was delivered before.
    public mutating func transportEnded() -> ConnectionClosed? {
        let before = state
        end(.drop)
        switch before {
        case .open, .closing: return .abnormal
        case .closed: return nil
        }
    }

    private mutating func closed(
        by code: CloseCode?, _ reason: UnsafeRawBufferPointer, _ action: TransportAction
    ) -> EndpointEvent {
        let closed = ConnectionClosed(
            code: code ?? .noStatusReceived, reason: String(decoding: reason, as: UTF8.self), wasClean: true)
        end(action)
        return .closed(closed)
    }

    /// _Fail the WebSocket Connection_, RFC 6455 §7.1.7.
    private mutating func failed(_ violation: ProtocolViolation, into output: inout ByteBuffer) -> EndpointEvent {
        if case .open = state {
            writer.appendClose(violation.closeCode, reason: violation.description, into: &output)
        }
        end(.halfCloseAndLinger)
        var closed = ConnectionClosed.abnormal
        closed.violation = violation
        return .closed(closed)
    }

    private mutating func end(_ action: TransportAction) {
        state = .closed(action)
        receiver.end()
        writer.end()
        forgetWaitingPong()
    }

    private mutating func forgetWaitingPong() { waitingPong = [] }
}
