import CLinux
import Glibc

/// Injects faults that a real socket may have, following a ``FaultPlan``. Readiness is level-triggered, so a call that was blocked
/// artificially is repeated in the next iteration.
package final class FaultLayer: SocketLayer {
    private let plan: FaultPlan
    private var random: FaultRandom
    private var stalledCalls: UInt64 = 0
    private var receivedByteCount = 0
    private var sentByteCount = 0

    package init(_ plan: FaultPlan) {
        self.plan = plan
        random = FaultRandom(seed: plan.seed)
    }

    override func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int {
        guard let room = next(room, already: receivedByteCount, resetAfter: plan.resetAfterReceived, descriptor) else { return -1 }
        let count = recv(descriptor, base, room, 0)
        if count > 0 { receivedByteCount += count }
        return count
    }

    override func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
        guard let count = next(count, already: sentByteCount, resetAfter: plan.resetAfterSent, descriptor) else { return -1 }
        let sent = Glibc.send(descriptor, base, count, Int32(MSG_NOSIGNAL))
        if sent > 0 { sentByteCount += sent }
        return sent
    }

    /// Most bytes for this call; nil with errno set if it fails.
    private func next(_ wanted: Int, already: Int, resetAfter: Int?, _ descriptor: Int32) -> Int? {
        if let resetAfter, already >= resetAfter {
            // The peer sees it, too: closing with this option sends a reset.
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            errno = ECONNRESET
            return nil
        }
        if stalledCalls == 0, chance(plan.rates.stall) { stalledCalls = random.next() % FaultPlan.maxStall }
        if stalledCalls > 0 || chance(plan.rates.blocked) {
            if stalledCalls > 0 { stalledCalls -= 1 }
            errno = EAGAIN
            return nil
        }
        var count = wanted
        if let resetAfter { count = min(count, resetAfter - already) }
        if count > 1, chance(plan.rates.short) {
            // Mostly small pieces, which exercise the seams; larger ones now and then.
            let limit = random.next() % 4 == 0 ? UInt64(count) : UInt64(min(count, 8))
            count = 1 + Int(random.next() % limit)
        }
        return count
    }

    private func chance(_ rate: UInt8) -> Bool { rate > 0 && UInt8(truncatingIfNeeded: random.next()) < rate }
}
