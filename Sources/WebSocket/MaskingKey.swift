/// The four bytes a client's payload is masked with, RFC 6455 §5.3.
public struct MaskingKey: Equatable, Sendable {
    /// The key's bytes in wire order, the first one in the low bits.
    var word: UInt32

    static let none = MaskingKey(word: 0)

    init(word: UInt32) { self.word = word }

    /// Reads the key from the wire.
    init(_ bytes: UnsafeRawPointer) {
        word = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
    }

    /// Masks or unmasks `payload` in place. O(n), 64 bytes at a time.
    ///
    /// - Parameter payloadOffset: offset of these bytes in the frame's payload; any value.
    public func apply(to payload: UnsafeMutableRawBufferPointer, payloadOffset: Int = 0) {
        guard word != 0, let start = payload.baseAddress else { return }
        let shift = UInt32(truncatingIfNeeded: payloadOffset & 3) * 8
        let rotated = shift == 0 ? word : word >> shift | word << (32 - shift)
        let pair = UInt64(rotated) | UInt64(rotated) << 32
        let count = payload.count
        var position = 0
        if count >= 64 {
            let wide = SIMD8<UInt64>(repeating: pair.littleEndian)
            while count - position >= 64 {
                let block = start.loadUnaligned(fromByteOffset: position, as: SIMD8<UInt64>.self)
                start.storeBytes(of: block ^ wide, toByteOffset: position, as: SIMD8<UInt64>.self)
                position += 64
            }
        }
        while count - position >= 8 {
            let block = start.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            start.storeBytes(of: block ^ pair.littleEndian, toByteOffset: position, as: UInt64.self)
            position += 8
        }
        // Everything above advanced by multiples of four, so the key is at its first byte.
        var rest = pair
        while position < count {
            let byte = start.load(fromByteOffset: position, as: UInt8.self)
            start.storeBytes(of: byte ^ UInt8(truncatingIfNeeded: rest), toByteOffset: position, as: UInt8.self)
            rest >>= 8
            position += 1
        }
    }
}
