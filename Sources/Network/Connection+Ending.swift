import Bytes
import CLinux
import Glibc

/// Ending a connection: gracefully, so that the peer receives all output, or at once.
extension Connection {
    /// Sends the pending output, then closes gracefully: half-close, wait for the peer, close.
    public func finish() {
        switch socketState {
        case .open:
            socketState = .finishing
            // Further input is read and discarded: closing with unread bytes would reset the connection.
            isReadingPaused = false
            armLinger(Self.stallDuration)
            updateInterest()
            scheduleFlush()
        case .connecting, .handshaking: end(.closed)
        case .finishing, .lingering, .closed: break
        }
    }

    /// Closes at once; unsent output is lost.
    /// - Parameter reset: whether to send a TCP reset, so that the peer sees an error instead of an end.
    public func abort(reset: Bool = false) {
        if reset, descriptor >= 0 {
            var option = Glibc.linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<Glibc.linger>.size))
        }
        end(.closed)
    }

    func startLingering() {
        if let layer, layer.closeOutput(descriptor) < 0 {
            isBlocked = true
            updateInterest()
            return
        }
        socketState = .lingering
        if shutdown(descriptor, Int32(SHUT_WR)) != 0 {
            end(.closed)
            return
        }
        if isReadingPaused {
            // The peer has already closed: nothing more to wait for.
            end(.closed)
            return
        }
        updateInterest()
        armLinger(Self.lingerDuration)
    }

    /// One deadline for sending the rest, extended while the peer reads; one for the peer's close.
    func armLinger(_ duration: Duration) { setTimer(after: duration) }

    func end(_ end: End) {
        if case .closed = socketState { return }
        socketState = .closed
        // The loop may hold the last reference.
        withExtendedLifetime(self) {
            cancelTimer()
            loop.deregister(self)
            close(descriptor)
            descriptor = -1
            isBlocked = false
            loop.spareOutput.takeBack(&output)
            let reason = reason(of: end)
            layer = nil
            ended(reason)
        }
    }

    private func reason(of end: End) -> End {
        if let failure { return .insecure(failure.error) }
        if case .failed(EPROTO) = end, let failure = layer?.failure { return .insecure(failure) }
        return end
    }
}
