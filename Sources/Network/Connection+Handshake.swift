import Bytes

/// The handshake of a connection's layer, between connecting and the first byte of the protocol.
extension Connection {
    func queueHandshake() {
        if isHandshakeQueued { return }
        isHandshakeQueued = true
        loop.queueHandshake(self)
    }

    func armHandshakeDeadline() {
        guard let layer else { return }
        setTimer(after: layer.handshakeTimeout)
    }

    /// Called by the loop to advance this connection's handshake.
    func stepHandshake() {
        isHandshakeQueued = false
        guard case .handshaking = socketState, let layer else { return }
        switch layer.handshake(descriptor) {
        case .done:
            cancelTimer()
            isBlocked = false
            opened()
            // Bytes that arrived in the same segment as the end of the handshake.
            if layer.hasUnread { scheduleRead() }
        case .wantsRead:
            isBlocked = false
            updateInterest()
        case .wantsWrite:
            isBlocked = true
            updateInterest()
        case .failed(let error): failHandshake(error)
        }
    }

    func failHandshake(_ error: TLSError) {
        guard case .handshaking = socketState else { return }
        failure = Failure(error)
        let isClient = layer?.isClient ?? true
        layer?.handshakeAbandoned(error)
        output.clear(keepingCapacity: 0)
        if isClient || error.reason == .closed || error.reason == .timeout {
            end(.closed)
            return
        }
        // Refuse in plain HTTP, which this peer understands.
        if error.reason == .plainHTTP { output.append(Self.plainHTTPAnswer) }
        // An alert was sent: close gracefully, so that it arrives.
        layer = nil
        isBlocked = false
        socketState = .finishing
        isReadingPaused = false
        armLinger(Self.stallDuration)
        updateInterest()
        scheduleFlush()
    }

    private static let plainHTTPAnswer: StaticString = """
        HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 53\r\nConnection: close\r\n\r\n\
        This port speaks HTTPS: begin the URL with https://.\n
        """

    /// The subject of the peer's certificate; nil if none was requested or sent.
    public var peerCertificateSubject: String? { layer?.peerSubject }
}
