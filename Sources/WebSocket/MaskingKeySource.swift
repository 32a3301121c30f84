import Bytes

/// Fresh masking keys for a client.
///
/// RFC 6455 §10.3: a key must be unpredictable to the page or program that supplies the payload, or it could choose the bytes that
/// an intermediary sees. So keys come from a cryptographic generator, fetched in blocks because one call costs more than masking a
/// short frame.
struct MaskingKeySource: ~Copyable {
    private static let blockByteCount = 256
    private var pool = ByteBuffer()

    mutating func next() -> MaskingKey {
        if pool.count < 4 {
            pool.clear()
            pool.write(room: Self.blockByteCount) { room in
                SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: room[..<Self.blockByteCount]))
                return Self.blockByteCount
            }
        }
        guard let start = pool.bytes.baseAddress else { return .none }
        let key = MaskingKey(start)
        pool.consume(4)
        return key
    }
}
