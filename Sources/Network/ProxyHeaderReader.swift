import CLinux
import Glibc
import HTTP
import Logging

/// Reads the PROXY header in front of a connection that a proxy has made, then hands the descriptor on. Loop-confined.
///
/// It stands before everything else, also before TLS, so it is a channel of its own that takes the header's bytes and none after
/// it: the connection made next finds its first byte where it expects it. What is no header closes the connection without a word,
/// since nobody knows which protocol the other side speaks.
final class ProxyHeaderReader: Channel {
    private var parser = ProxyHeaderParser()
    private var deadline: LoopTimer?
    private let then: (Int32, ProxyHeader) -> Void

    /// - Parameters:
    ///   - timeout: for the whole header, from now.
    ///   - then: gets the descriptor, which it then owns.
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
            // Taken now: what was only looked at would wake the loop again at once.
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
