import CLinux
import COpenSSL
import Glibc

/// A socket in the form in which OpenSSL wants one, where the kernel does not encrypt. OpenSSL's own calls `read` and `write`, which
/// take the kernel's longer way through files, and each of which is a point where glibc lets a thread be cancelled: together 2 to 3 %
/// of a small echo.
enum SocketBIO {
    /// - Parameter descriptor: stays the caller's.
    static func make(_ descriptor: Int32) -> OpaquePointer? {
        guard let bio = BIO_new(method.pointer) else { return nil }
        BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: Int(descriptor) + 1))
        BIO_set_init(bio, 1)
        return bio
    }

    private struct Method: @unchecked Sendable { let pointer: OpaquePointer? }

    /// Made once, and never changed.
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

    /// Kept one higher, since nil is a pointer, too.
    private static func descriptor(of bio: OpaquePointer?) -> Int32 {
        Int32(truncatingIfNeeded: Int(bitPattern: BIO_get_data(bio)) - 1)
    }
}
