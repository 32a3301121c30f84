import CLinux
import COpenSSL
import Glibc

/// An OpenSSL BIO over a socket, used without kTLS. OpenSSL's own BIO calls `read` and `write`, which take the kernel's longer path
/// for files and are cancellation points in glibc: together 2 to 3 % of a small echo.
enum SocketBIO {
    /// - Parameter descriptor: not owned.
    static func make(_ descriptor: Int32) -> OpaquePointer? {
        guard let bio = BIO_new(method.pointer) else { return nil }
        BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: Int(descriptor) + 1))
        BIO_set_init(bio, 1)
        return bio
    }

    private struct Method: @unchecked Sendable { let pointer: OpaquePointer? }

    /// Created once, never modified.
    private static let method: Method = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket")
        BIO_meth_set_read(method) { bio, bytes, count in
            let received = clinux_recv(SocketBIO.descriptor(of: bio), bytes, Int(count))
            if received == 0 { BIO_set_flags(bio, BIO_FLAGS_IN_EOF) }
            return LayerBIO.result(received, bio, BIO_FLAGS_READ)
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            LayerBIO.result(clinux_send(SocketBIO.descriptor(of: bio), bytes, Int(count)), bio, BIO_FLAGS_WRITE)
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: 1
            case BIO_CTRL_EOF: BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0
            default: 0
            }
        }
        return Method(pointer: method)
    }()

    /// Stored plus one, because 0 would be nil.
    private static func descriptor(of bio: OpaquePointer?) -> Int32 {
        Int32(truncatingIfNeeded: Int(bitPattern: BIO_get_data(bio)) - 1)
    }
}
