public import Bytes

/// One end of an open WebSocket connection, either role: RFC 6455 after the opening handshake, without any I/O.
///
///     var input = bytesJustRead
///     while let event = endpoint.next(&input, output: &output) {
///         // handle the event; endpoint.send(...) may be called here
///     }
///     // write output, then do what endpoint.transportAction says
///
/// Pings are answered, the close handshake is done and violations are punished here; since events are pulled one at a
/// time, the replies that the owner writes for earlier events stand in the output before a close frame that a later
/// byte provokes.
public struct WebSocketEndpoint: ~Copyable {
    /// RFC 6455 §4.1, §7.1.3 and §7.1.4.
    public enum State: Equatable, Sendable {
        case open
        /// A close frame was sent; the peer's has not come. Messages that still come are dropped, as browsers do.
        /// The owner bounds this time and then calls ``transportEnded()``.
        case closing
        /// Nothing is sent or delivered any more.
        case closed(TransportAction)
    }

    /// How pings are answered.
    private enum PongPolicy {
        case each
        /// The output is backed up: only the latest ping will be answered.
        case latestWhenDrained
    }

    /// Bytes that compression holds for this connection now, both directions.
    public var deflateMemoryByteCount: Int { receiver.deflateMemoryByteCount + writer.deflateMemoryByteCount }

    /// Compressed bytes of the peer's messages that were undone in all, to be metered: they cost up to 0.3 µs each. Wraps around.
    public var deflatedByteCount: UInt32 { receiver.deflatedByteCount }

    /// Bytes that are held for the peer's message that has not come whole.
    public var heldByteCount: Int { receiver.heldByteCount }

    private let role: Role
    private let maxUnsentBytesBeforePongsWait: Int
    private var receiver: Receiver
    private var writer: FrameWriter
    private var pongPolicy = PongPolicy.each
    /// The frame that answers the latest ping that had to wait.
    private var waitingPong: [UInt8] = []
    public private(set) var state = State.open

    /// - Parameter scratch: shared by those that are used on the same thread, one after the other.
    public init(
        role: Role, limits: WebSocketLimits = WebSocketLimits(), extensions: NegotiatedExtensions = .none,
        scratch: ReceiverScratch = ReceiverScratch()
    ) {
        self.role = role
        maxUnsentBytesBeforePongsWait = limits.maxUnsentBytesBeforePongsWait
        receiver = Receiver(role: role, limits: limits, extensions: extensions, scratch: scratch)
        writer = FrameWriter(role: role, extensions: extensions)
    }

    /// What the owner does with the transport after it has flushed the output.
    public var transportAction: TransportAction {
        switch state {
        case .open, .closing: .keepOpen
        case .closed(let action): action
        }
    }

    /// The next event in `input`, or nil when it is used up, or when so much was inflated of it that the rest is to be handed in
    /// again when others have had their turn: see ``Receiver/next(_:)``.
    ///
    /// - Parameters:
    ///   - input: what was read; taken off the front and unmasked in place.
    ///   - output: gets pongs and close frames.
    ///   - maxDeflatedBytes: compressed bytes to take before it returns.
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
                    // §5.5.1: the answer typically echoes the code.
                    writer.appendClose(code, into: &output)
                    return closed(by: code, reason, role == .server ? .halfCloseAndLinger : .awaitPeerClose)
                case (.closing, .close(let code, let reason)):
                    // What stood before our close frame may still be on its way.
                    return closed(by: code, reason, role == .server ? .halfCloseAndLinger : .awaitPeerClose)
                case (.closing, _), (.closed, _): continue
                }
            }
            return nil
        } catch {
            return failed(error, into: &output)
        }
    }

    // Sending

    /// Sends a message as one frame, compressed where that was agreed on and pays. Text must be UTF-8.
    ///
    /// - Parameter suffix: what follows the payload in the same message, for those who would have to join the two.
    public mutating func send(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer,
        suffix: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.appendMessage(kind, payload, suffix: suffix, into: &output)
    }

    /// Sends the first fragment of a message whose end is not known yet.
    public mutating func startMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.startMessage(kind, payload, into: &output)
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

    /// Sends only the header of a message whose payload the caller sends itself, uncompressed, in one or more pieces,
    /// before anything else goes out: see ``FrameWriter/appendHeader(_:payloadByteCount:into:)``.
    @discardableResult
    public mutating func sendHeader(
        _ kind: MessageKind, payloadByteCount: Int, into output: inout ByteBuffer
    ) throws(SendError) -> MaskingKey? {
        try checkOpen()
        return try writer.appendHeader(kind, payloadByteCount: payloadByteCount, into: &output)
    }

    /// Sends a ping of at most 125 bytes; the peer's answer arrives as ``EndpointEvent/pong(_:)``.
    public mutating func ping(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try checkOpen()
        try writer.appendPing(payload, into: &output)
    }

    /// Sends a pong of at most 125 bytes that nobody asked for: a heartbeat without an answer, §5.5.3.
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

    /// Tells that the transport takes no more for now: from here only the latest ping will be answered.
    public mutating func outputBackedUp() { pongPolicy = .latestWhenDrained }

    /// Tells that what was written has left: answers the ping that waited.
    public mutating func outputDrained(into output: inout ByteBuffer) {
        pongPolicy = .each
        if !waitingPong.isEmpty { appendWaitingPong(into: &output) }
    }

    private mutating func answer(_ ping: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        // The receiver let no longer payload pass, so the writer cannot refuse it.
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

    /// Starts the close handshake, RFC 6455 §7.1.2: nothing can be sent afterwards, and the peer's close frame gives
    /// the last event. Without effect when the connection is closing already.
    ///
    /// - Parameters:
    ///   - code: one that must not be on the wire gives a close frame without a code.
    ///   - reason: for people who debug; cut to 123 bytes.
    public mutating func close(_ code: CloseCode?, reason: String = "", into output: inout ByteBuffer) {
        guard case .open = state else { return }
        forgetWaitingPong()
        writer.appendClose(code, reason: reason, into: &output)
        writer.end()
        receiver.dropMessages()
        state = .closing
    }

    /// Tells that the transport is gone: the peer closed it, it failed, or the time for closing is over.
    ///
    /// - Returns: the last event's content, or nil when the last event was delivered already.
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
