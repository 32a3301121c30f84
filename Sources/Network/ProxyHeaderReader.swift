import CLinux
import Glibc
import HTTP
import Logging

/// Reads the PROXY header at the start of a connection, then passes on the descriptor. Loop-confined.
///
/// The header precedes everything, including TLS, so it is read by a separate channel that consumes no byte after it. If it is
/// invalid, the connection is closed silently, because the peer's protocol is unknown.
final class ProxyHeaderReader: Channel {
    private var parser = ProxyHeaderParser()
    private var deadline: LoopTimer?
    private let then: (Int32, ProxyHeader) -> Void

    /// - Parameters:
    ///   - timeout: for the whole header, from now.
    ///   - then: receives the descriptor, and owns it.
    init(loop: EventLoop, descriptor: Int32, timeout: Duration, then: @escaping (Int32, ProxyHeader) -> Void) {
        self.then = then
        super.init(loop: loop, descriptor: descriptor)
        deadline = loop.schedule(after: timeout) { [weak self] in self?.refuse("it did not come in time") }
    }

    func start() throws(SystemCallError) {
        do {
            try loop.register(self, interest: .readable)
        } catch {
            close()
            throw error
        }
    }

    override func ready(_ readiness: Readiness) {
        let room = UnsafeMutableRawBufferPointer(rebasing: loop.receiveBuffer[..<ProxyHeaderParser.maxByteCount])
        let count = recv(descriptor, room.baseAddress, room.count, Int32(MSG_PEEK))
        if count <= 0 {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            close()
            return
        }
        var input = UnsafeRawBufferPointer(rebasing: room[..<count])
        do throws(ProxyHeaderError) {
            let header = try parser.next(&input)
            // Consume the peeked bytes, which would otherwise wake the loop again at once.
            guard recv(descriptor, room.baseAddress, count - input.count, 0) == count - input.count else {
                close()
                return
            }
            if let header { handOn(header) }
        } catch {
            refuse("\(error)")
        }
    }

    private func handOn(_ header: ProxyHeader) {
        deadline?.cancel()
        loop.deregister(self)
        let taken = descriptor
        descriptor = -1
        then(taken, header)
    }

    private func refuse(_ reason: String) {
        guard descriptor >= 0 else { return }
        loop.logger.debug("no PROXY header where a proxy must send one", metadata: ["reason": "\(reason)"])
        close()
    }

    private func close() {
        deadline?.cancel()
        guard descriptor >= 0 else { return }
        loop.deregister(self)
        Glibc.close(descriptor)
        descriptor = -1
    }

    override func loopStopped() { close() }
}
