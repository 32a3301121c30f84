import Foundation
import Glibc
import Synchronization

/// A blocking server on loopback, a thread for each connection, that does to clients whatever a test wants.
package final class LoopbackServer: Sendable {
    package let port: UInt16
    private let listener: Int32
    private let accepted = Mutex(0)
    private let handler: @Sendable (LoopbackPeer) -> Void

    package var connectionCount: Int { accepted.withLock { $0 } }
    package var url: String { "http://127.0.0.1:\(port)" }

    package init(_ handler: @escaping @Sendable (LoopbackPeer) -> Void) {
        self.handler = handler
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = listener
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(socket, pointer, length)
                _ = listen(socket, 256)
                _ = getsockname(socket, pointer, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                if descriptor < 0 {
                    close(listener)
                    return
                }
                let number = accepted.withLock { count in
                    count += 1
                    return count
                }
                Thread.detachNewThread { [handler] in
                    let peer = LoopbackPeer(descriptor: descriptor, number: number)
                    handler(peer)
                    peer.close()
                }
            }
        }
    }

    /// The thread that accepts closes the listener: closed here, its number could be another server's by the next accept.
    package func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// A port on which nobody listens.
    package static func freePort() -> UInt16 {
        let server = LoopbackServer { _ in }
        defer { server.stop() }
        return server.port
    }
}
