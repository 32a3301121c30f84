package import Glibc
package import Network

/// A blocking socket, as the peer of what is tested.
package final class RawSocket {
    package struct Failure: Error, Equatable {
        package let call: String
        /// `errno`; 0 where the peer's end came too early.
        package let code: Int32

        package init(call: String, code: Int32) {
            self.call = call
            self.code = code
        }
    }

    package private(set) var descriptor: Int32
    private var buffered: [UInt8] = []

    /// Connects.
    /// - Parameter timeoutSeconds: the longest that a send or receive takes.
    package init(to address: SocketAddress, receiveBufferByteCount: Int32? = nil, timeoutSeconds: Int = 5) throws {
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
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close() }

    package func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    package func shutDownWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 { throw Failure(call: "send", code: errno) }
            sent += count
        }
    }

    /// Some bytes; empty at the peer's end.
    package func receive(_ limit: Int = 1 << 16) throws -> [UInt8] {
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

    package func receive(exactly count: Int) throws -> [UInt8] {
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
    package func receiveAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    /// Text up to and with `end`; what follows stays for the next call.
    package func receive(through end: String) throws -> String {
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
    package func receiveResponse(hasBody: Bool = true) throws -> (head: String, body: String) {
        let head = try receive(through: "\r\n\r\n")
        var length = 0
        for line in head.split(separator: "\r\n") where line.hasPrefix("Content-Length: ") {
            length = Int(line.dropFirst("Content-Length: ".count)) ?? 0
        }
        return (head, hasBody ? String(decoding: try receive(exactly: length), as: UTF8.self) : "")
    }
}

package func unixAddress(_ path: String) -> sockaddr_un {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
    return name
}
