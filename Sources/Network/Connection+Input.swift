import Bytes
import CLinux
import Glibc

/// Input from the peer: read into the loop's buffer and passed to the subclass, which may pause it.
extension Connection {
    /// Reads nothing from the peer until ``resumeReading()``. The peer's close is reported by ``inputEndAnnounced()``.
    public func pauseReading() { setReadingPaused(true) }

    public func resumeReading() { setReadingPaused(false) }

    private func setReadingPaused(_ isPaused: Bool) {
        switch socketState {
        case .connecting, .handshaking, .open:
            isReadingPaused = isPaused
            updateInterest()
            if !isPaused, let layer, layer.hasUnread { scheduleRead() }
        // From here on, reading only detects the close.
        case .finishing, .lingering, .closed: break
        }
    }

    func readReady(_ readiness: Readiness) {
        if isReadingPaused, case .open = socketState {
            // Readable events may still arrive in the iteration that paused.
            if !readiness.isDisjoint(with: [.failed, .hangup]) {
                end(.failed(pendingError()))
            } else if readiness.contains(.peerClosed), !isInputEndAnnounced {
                isInputEndAnnounced = true
                // Report it once, or it would wake the loop repeatedly.
                updateInterest()
                inputEndAnnounced()
            }
            return
        }
        // A full buffer means there is more; read a few times, then serve other connections.
        for _ in 0..<4 {
            let buffer = loop.receiveBuffer
            let count = receiveSome(buffer)
            if count > 0 {
                bytesReceived &+= UInt64(count)
                // After closing, input is read only so that a reset does not destroy our last output.
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
        // The kernel reports only its own buffered bytes.
        if let layer, layer.hasUnread { scheduleRead() }
    }

    /// Immediate answers are written to storage lent by the loop and returned by the flush.
    @inline(__always) private func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        if output.capacity == 0 { loop.spareOutput.lend(to: &output) }
        received(bytes)
        if output.isEmpty { loop.spareOutput.takeBack(&output) }
    }

    /// After closing, input is discarded without decrypting it.
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
            // The peer may still read: send the rest, but its end of file must not wake the loop repeatedly.
            isReadingPaused = true
            updateInterest()
        case .lingering: end(.closed)
        case .open, .connecting, .handshaking, .closed: break
        }
    }

    /// Reads the layer's buffered bytes in the next iteration.
    func scheduleRead() {
        if isReadScheduled { return }
        isReadScheduled = true
        // Strong: an object that was ever referenced weakly pays for it at every retain.
        loop.schedule(after: .zero) {
            self.isReadScheduled = false
            if case .open = self.socketState, !self.isReadingPaused { self.readReady(.readable) }
        }
    }
}
