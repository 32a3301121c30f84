import COpenSSL
import Glibc

/// An OpenSSL BIO over a layer, so that TLS can run over an injected one.
enum LayerBIO {
    private final class Target {
        let layer: SocketLayer
        let descriptor: Int32
        var hasEnded = false

        init(_ layer: SocketLayer, _ descriptor: Int32) {
            self.layer = layer
            self.descriptor = descriptor
        }
    }

    static func make(_ layer: SocketLayer, _ descriptor: Int32) -> OpaquePointer? {
        guard let bio = BIO_new(method.pointer) else { return nil }
        BIO_set_data(bio, Unmanaged.passRetained(Target(layer, descriptor)).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    private struct Method: @unchecked Sendable { let pointer: OpaquePointer? }

    /// Created once, never modified.
    private static let method: Method = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "layer")
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let target = LayerBIO.target(of: bio), let bytes else { return -1 }
            let received = target.layer.receive(target.descriptor, bytes, Int(count))
            if received == 0 { target.hasEnded = true }
            return LayerBIO.result(received, bio, BIO_FLAGS_READ)
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let target = LayerBIO.target(of: bio), let bytes else { return -1 }
            return LayerBIO.result(target.layer.send(target.descriptor, bytes, Int(count)), bio, BIO_FLAGS_WRITE)
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: 1
            case BIO_CTRL_EOF: LayerBIO.target(of: bio)?.hasEnded == true ? 1 : 0
            default: 0
            }
        }
        BIO_meth_set_destroy(method) { bio in
            if let data = BIO_get_data(bio) { Unmanaged<Target>.fromOpaque(data).release() }
            BIO_set_data(bio, nil)
            return 1
        }
        return Method(pointer: method)
    }()

    private static func target(of bio: OpaquePointer?) -> Target? {
        BIO_get_data(bio).map { Unmanaged<Target>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Translates the result of a layer or socket call for OpenSSL.
    static func result(_ count: Int, _ bio: OpaquePointer?, _ flag: Int32) -> Int32 {
        copenssl_clear_retry(bio)
        if count < 0, errno == EAGAIN || errno == EINTR { copenssl_set_retry(bio, flag) }
        return Int32(clamping: count)
    }
}
