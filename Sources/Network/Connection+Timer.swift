import Bytes

/// The only timer of a connection. Its meaning depends on the state: the handshake's deadline, the protocol's deadline while open,
/// or the peer's time to read the rest and close.
extension Connection {
    /// Sets or resets the timer.
    final func setTimer(after delay: Duration) { loop.setTimer(of: self, at: loop.clock.now + delay) }

    final func cancelTimer() { if timerPlace != TimerQueue.noPlace { loop.cancelTimer(of: self) } }

    /// The deadline, if set.
    final var timerDeadline: Instant? { timerPlace == TimerQueue.noPlace ? nil : loop.timerDeadline(of: self) }

    final func timerIsDue() {
        switch socketState {
        case .handshaking: failHandshake(TLSError(.timeout))
        case .connecting, .open: timerFired()
        case .finishing, .lingering: end(.lingerTimeout)
        case .closed: break
        }
    }
}
