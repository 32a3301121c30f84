import Bytes
import CLinux
import Glibc

/// What the peer sends: read into the loop's buffer and handed to the protocol's shell, which may pause it.
extension Connection {
    /// Takes no bytes from the peer until ``resumeReading()``. The peer's close is told of by ``inputEndAnnounced()``.
    public func pauseReading() { setReadingPaused(true) }

    public func resumeReading() { setReadingPaused(false) }

    private func setReadingPaused(_ isPaused: Bool) {
        switch socketState {
        case .connecting, .handshaking, .open:
            isReadingPaused = isPaused
            updateInterest()
            if !isPaused, let layer, layer.hasUnread { scheduleRead() }
        // From here reading serves the close alone.
        case .finishing, .lingering, .closed: break
        }
    }

    func readReady(_ readiness: Readiness) {
        if isReadingPaused, case .open = socketState {
            // Bytes alone may still be told of in the turn that paused.
            if !readiness.isDisjoint(with: [.failed, .hangup]) {
                end(.failed(pendingError()))
            } else if readiness.contains(.peerClosed), !isInputEndAnnounced {
                isInputEndAnnounced = true
                // Told once: it would wake the loop again and again.
                updateInterest()
                inputEndAnnounced()
            }
            return
        }
        // A full buffer means that there is more; a few rounds, then the others' turn.
        for _ in 0..<4 {
            let buffer = loop.receiveBuffer
            let count = receiveSome(buffer)
            if count > 0 {
                bytesReceived &+= UInt64(count)
                // After we closed, the peer's bytes are read only so that our last ones are not lost to a reset.
                if case .open = socketState { receive(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])) }
                if descriptor < 0 || isReadingPaused { return }
                if let layer, case .open = socketState {
                    if !layer.hasUnread { return }
                } else if count < buffer.count {
                    return
                }
            } else if count == 0 {
                peerClosed()
                return
            } else if errno == EAGAIN {
                if layer?.receiveWantsWritable == true { updateInterest() }
                return
            } else if errno != EINTR {
                end(.failed(errno))
                return
            }
        }
        // The kernel tells of its own bytes only.
        if let layer, layer.hasUnread { scheduleRead() }
    }

    /// What is answered at once is written to storage that the loop lends, and that the flush gives back.
    @inline(__always) private func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        if output.capacity == 0 { loop.spareOutput.lend(to: &output) }
        received(bytes)
        if output.isEmpty { loop.spareOutput.takeBack(&output) }
    }

    /// After we closed, what still comes is dropped as it is: nobody needs it in clear.
    @inline(__always) private func receiveSome(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let layer, case .open = socketState, let base = buffer.baseAddress else {
            return clinux_recv(descriptor, buffer.baseAddress, buffer.count)
        }
        return layer.receive(descriptor, base, buffer.count)
    }

    private func peerClosed() {
        switch socketState {
        case .open: inputClosed()
        case .finishing: flush()
        default: break
        }
        switch socketState {
        case .finishing:
            // The peer may still read: send the rest, but its end of file must not wake the loop again and again.
            isReadingPaused = true
            updateInterest()
        case .lingering: end(.closed)
        case .open, .connecting, .handshaking, .closed: break
        }
    }

    /// Reads in the next turn what the layer holds.
    func scheduleRead() {
        if isReadScheduled { return }
        isReadScheduled = true
        // Strong: an object that was once referred to weakly pays for it at each retain.
        loop.schedule(after: .zero) {
            self.isReadScheduled = false
            if case .open = self.socketState, !self.isReadingPaused { self.readReady(.readable) }
        }
    }
}
