import Glibc
import Logging
import LoopbackServer
import Network
import Synchronization
import Testing

/// Tests that block on sockets: one after another, on a thread of their own, so that they hold up no other test.
@Suite(.serialized, BlockingThread()) enum Loopback {
    @Suite struct ConnectionTests {}
    @Suite struct ListenerTests {}
    @Suite struct HTTPConnectionTests {}
    @Suite struct WebSocketConnectionTests {}
    @Suite struct TLSTests {}
    @Suite struct FaultTests {}
}

/// Loops for the time of one test.
final class Loops: Sendable {
    let group: EventLoopGroup
    var loop: EventLoop { group.loops[0] }

    init(_ count: Int = 1) throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        group = try EventLoopGroup(count: count, logger: logger)
    }

    deinit { group.shutDown() }

    /// Runs `body` on the first loop and waits for what it returns.
    func run<Result: Sendable>(_ body: @escaping @Sendable (EventLoop) -> Result) async -> Result {
        let loop = loop
        return await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body(loop)) }
        }
    }
}

/// What happened, in order, told from any thread.
final class Journal: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
    func count(of line: String) -> Int { all.count { $0 == line } }

    /// Waits for a line, at most five seconds.
    func has(_ line: String) async -> Bool { await hasLine { $0 == line } }

    func hasLine(_ isWanted: @escaping @Sendable (String) -> Bool) async -> Bool {
        await eventually { self.all.contains(where: isWanted) }
    }
}

/// Waits until it is so, at most a minute: sanitizers and busy machines are slow.
func eventually(_ isSo: @Sendable () -> Bool) async -> Bool {
    for _ in 0..<12_000 {
        if isSo() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// A blocking socket, as the peer of what is tested. Every receive ends after five seconds at the latest.
final class RawSocket {
    struct Failure: Error, Equatable {
        let call: String
        let code: Int32
    }

    private(set) var descriptor: Int32
    private var buffered: [UInt8] = []

    init(to address: SocketAddress, receiveBufferByteCount: Int32? = nil) throws {
        switch address {
        case .tcp(_, let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var option = receiveBufferByteCount ?? 0
            if option > 0 { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &option, socklen_t(MemoryLayout<Int32>.size)) }
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = inet_addr("127.0.0.1")
            let code = withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if code != 0 { throw Failure(call: "connect", code: errno) }
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var name = unixAddress(path)
            let code = withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if code != 0 { throw Failure(call: "connect", code: errno) }
        }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func shutDownWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 { throw Failure(call: "send", code: errno) }
            sent += count
        }
    }

    /// Some bytes; empty at the peer's end.
    func receive(_ limit: Int = 1 << 16) throws -> [UInt8] {
        if !buffered.isEmpty {
            let bytes = buffered
            buffered = []
            return bytes
        }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &bytes, limit, 0)
        if count < 0 { throw Failure(call: "recv", code: errno) }
        return Array(bytes[..<count])
    }

    func receive(exactly count: Int) throws -> [UInt8] {
        if count == 0 { return [] }
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive()
            if more.isEmpty { break }
            bytes += more
        }
        buffered = Array(bytes.dropFirst(count))
        return Array(bytes.prefix(count))
    }

    /// All to the peer's end.
    func receiveAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    /// Text up to and with `end`; what follows stays for the next call.
    func receive(through end: String) throws -> String {
        var bytes: [UInt8] = []
        let end = Array(end.utf8)
        while true {
            if let start = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) {
                buffered = Array(bytes[(start + end.count)...])
                return String(decoding: bytes[..<(start + end.count)], as: UTF8.self)
            }
            let more = try receive()
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    /// A whole response with Content-Length.
    func receiveResponse(hasBody: Bool = true) throws -> (head: String, body: String) {
        let head = try receive(through: "\r\n\r\n")
        var length = 0
        for line in head.split(separator: "\r\n") where line.hasPrefix("Content-Length: ") {
            length = Int(line.dropFirst("Content-Length: ".count)) ?? 0
        }
        return (head, hasBody ? String(decoding: try receive(exactly: length), as: UTF8.self) : "")
    }
}

func unixAddress(_ path: String) -> sockaddr_un {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
    return name
}

/// A path for a Unix socket that nobody else uses.
func temporaryPath() -> String {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    return folder + "/interject-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
}

/// Threads of their own, joined before it returns.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Work {
        let index: Int
        let body: @Sendable (Int) -> Void
        init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                if let context {
                    let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
                    work.body(work.index)
                }
                return nil
            }, Unmanaged.passRetained(Work(index, body)).toOpaque())
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}
