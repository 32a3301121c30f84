public import Bytes
import CLinux
import Glibc
import Logging

/// A listening socket in one event loop. Loop-confined.
///
/// TCP: each loop has its own socket (`SO_REUSEPORT`), so the kernel distributes connections and loops share nothing. Unix: the
/// loops share one socket, and `EPOLLEXCLUSIVE` wakes one of them.
public final class Listener: Channel {
    /// Most connections in the kernel's queue.
    public static let backlog: Int32 = 4096
    /// Most unsent bytes that the kernel buffers per connection.
    static let unsentByteCount: Int32 = 128 << 10
    /// Most connections accepted per iteration, so that a storm does not starve established ones.
    public static let acceptsPerTurn = 64

    /// Accepts a connection. `isLast`: it uses the spare descriptor, must be refused, and is closed on return.
    typealias Accept = @Sendable (EventLoop, Int32, IPAddress?, _ isLast: Bool) -> Void

    private let interest: Readiness
    private let accept: Accept
    private let spare = SpareDescriptor()

    init(loop: EventLoop, descriptor: Int32, interest: Readiness, accept: @escaping Accept) {
        self.interest = interest
        self.accept = accept
        super.init(loop: loop, descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness) {
        var peer = sockaddr_storage()
        for _ in 0..<Self.acceptsPerTurn {
            let accepted = clinux_accept(descriptor, &peer)
            if accepted >= 0 {
                accept(loop, accepted, IPAddress(peer), false)
                continue
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            // A `where` applies only to the pattern before it.
            case EMFILE where refuseOne(), ENFILE where refuseOne(): continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                // Level-triggered readiness would spin until a descriptor is free: retry a little later.
                loop.logger.warning(
                    "no descriptor for a new connection", metadata: ["error": "\(String(cString: strerror(errno)))"])
                // Re-registered, because the kernel does not allow changing an exclusive interest.
                loop.deregister(self)
                loop.schedule(after: .milliseconds(100)) { self.register() }
                return
            default: return
            }
        }
    }

    /// Refuses a client for which there is no descriptor, using the spare one.
    /// - Returns: whether there was one.
    private func refuseOne() -> Bool {
        spare.refill()
        guard spare.isThere else { return false }
        var isRefused = false
        spare.lend {
            var peer = sockaddr_storage()
            let accepted = clinux_accept(descriptor, &peer)
            guard accepted >= 0 else { return }
            accept(loop, accepted, IPAddress(peer), true)
            close(accepted)
            isRefused = true
        }
        return isRefused
    }

    func start() throws(SystemCallError) { try loop.register(self, interest: interest) }

    private func register() {
        if descriptor < 0 { return }
        do throws(SystemCallError) {
            try start()
        } catch {
            loop.logger.error("a listener could not be registered again", metadata: ["error": "\(error)"])
        }
    }

    override func loopStopped() { stop() }

    /// Stops accepting. Accepted connections are not affected. Loop only.
    public func stop() {
        guard descriptor >= 0 else { return }
        loop.deregister(self)
        close(descriptor)
        descriptor = -1
    }
}

/// Listens on one address in all loops of a group.
public final class ListenerSet: Sendable {
    /// The bound address, with the port chosen by the kernel if it was 0.
    public let address: SocketAddress
    private let listeners: [LoopBound<Listener>]

    /// - Parameters:
    ///   - access: mode and owner of a Unix socket.
    ///   - refuse: called with a connection on the spare descriptor: answer at once; it is closed on return.
    ///   - accept: called on the accepting loop, with a nonblocking descriptor to own, and the peer's address (nil: Unix socket).
    /// - Throws: ``SystemCallError``, for example `EADDRINUSE` or `EACCES` from `bind`.
    public convenience init(
        _ address: SocketAddress, access: UnixSocketAccess = UnixSocketAccess(), group: EventLoopGroup,
        refuse: @escaping @Sendable (EventLoop, Int32) -> Void = { _, _ in },
        accept: @escaping @Sendable (EventLoop, Int32, IPAddress?) -> Void
    ) async throws {
        try await self.init(address, access, group) { loop, descriptor, peer, isLast in
            if isLast { refuse(loop, descriptor) } else { accept(loop, descriptor, peer) }
        }
    }

    private init(
        _ address: SocketAddress, _ access: UnixSocketAccess, _ group: EventLoopGroup, accept: @escaping Listener.Accept
    ) async throws {
        var bound = address
        var sockets: [Int32] = []
        do {
            for index in group.loops.indices {
                if case .unix = address, index > 0 {
                    sockets.append(try systemCall("dup") { clinux_duplicate(sockets[0]) })
                    continue
                }
                // Only the first socket detects whether another process has the port: later ones share it.
                sockets.append(
                    try Self.listeningSocket(bound, access, shared: group.loops.count > 1, mustBeFree: index == 0))
                if index == 0 { bound = Self.actualAddress(of: sockets[0], asked: address) }
            }
        } catch {
            for socket in sockets { close(socket) }
            throw error
        }
        self.address = bound
        var isUnix = false
        if case .unix = address { isUnix = true }
        let interest: Readiness = isUnix && group.loops.count > 1 ? [.readable, .exclusive] : .readable
        var listeners: [LoopBound<Listener>] = []
        for (loop, socket) in zip(group.loops, sockets) {
            let outcome: Result<LoopBound<Listener>, SystemCallError> = await withCheckedContinuation { continuation in
                loop.execute {
                    let listener = Listener(loop: loop, descriptor: socket, interest: interest, accept: accept)
                    do throws(SystemCallError) {
                        try listener.start()
                        continuation.resume(returning: .success(LoopBound(listener, on: loop)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
            listeners.append(try outcome.get())
        }
        self.listeners = listeners
    }

    /// Stops accepting. From any thread.
    public func stop() {
        // Connections already established by the kernel would be reset: accept them first.
        for listener in listeners {
            listener.run {
                $0.ready(.readable)
                $0.stop()
            }
        }
        if case .unix(let path) = address { unlink(path) }
    }

    private static func listeningSocket(
        _ address: SocketAddress, _ access: UnixSocketAccess, shared: Bool, mustBeFree: Bool
    ) throws(SystemCallError) -> Int32 {
        if case .unix(let path) = address { try removeStaleSocket(path) }
        if mustBeFree, case .tcp(_, let port) = address, port != 0 {
            // SO_REUSEPORT would let two servers of one user share a port silently: bind once without it.
            let probe = try boundSocket(address, reusePort: false)
            close(probe)
        }
        let socket = try boundSocket(address, reusePort: shared)
        do {
            if case .unix(let path) = address { try access.apply(to: path) }
            try systemCall("listen") { listen(socket, Listener.backlog) }
        } catch {
            close(socket)
            if case .unix(let path) = address { unlink(path) }
            throw error
        }
        return socket
    }

    private static func boundSocket(_ address: SocketAddress, reusePort: Bool) throws(SystemCallError) -> Int32 {
        try address.withSockaddr { (family, pointer, length) throws(SystemCallError) in
            let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let socket = try systemCall("socket") { Glibc.socket(family, type, 0) }
            do throws(SystemCallError) {
                if family != AF_UNIX {
                    setSocketOption(socket, SOL_SOCKET, SO_REUSEADDR, 1)
                    // Bytes in the kernel can no longer be merged, reordered or withdrawn. Connections inherit the option.
                    setSocketOption(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, Listener.unsentByteCount)
                    if reusePort { setSocketOption(socket, SOL_SOCKET, SO_REUSEPORT, 1) }
                }
                try systemCall("bind") { bind(socket, pointer, length) }
            } catch {
                close(socket)
                throw error
            }
            return socket
        }
    }

    /// A socket file without a listener is left over from a killed process.
    private static func removeStaleSocket(_ path: String) throws(SystemCallError) {
        var status = stat()
        guard lstat(path, &status) == 0, Glibc.S_IFMT & status.st_mode == Glibc.S_IFSOCK else { return }
        let isLive = try SocketAddress.unix(path: path).withSockaddr { (family, pointer, length) throws(SystemCallError) in
            let probe = try systemCall("socket") { socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
            defer { close(probe) }
            // Any other result means that the socket is in use, or cannot be judged.
            return connect(probe, pointer, length) == 0 || errno != ECONNREFUSED
        }
        if isLive { throw SystemCallError(call: "bind", code: EADDRINUSE) }
        unlink(path)
    }

    private static func actualAddress(of socket: Int32, asked: SocketAddress) -> SocketAddress {
        guard case .tcp(let host, _) = asked else { return asked }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let port: UInt16 = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &length) }
            // The port is at the same offset, in network order, in both address families.
            return storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
        return .tcp(host: host, port: port)
    }
}

@discardableResult
func setSocketOption(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
    var value = value
    return setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}
