import Glibc

extension Connection {
    /// A nonblocking socket that is connecting to `address`. A connection created with it calls ``connected()`` or ``ended(_:)``.
    public static func connectingSocket(to address: SocketAddress) throws(SystemCallError) -> Int32 {
        try address.withSockaddr { (family, pointer, length) throws(SystemCallError) in
            let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let socket = try systemCall("socket") { Glibc.socket(family, type, 0) }
            if connect(socket, pointer, length) != 0, errno != EINPROGRESS {
                let code = errno
                close(socket)
                throw SystemCallError(call: "connect", code: code)
            }
            return socket
        }
    }
}
