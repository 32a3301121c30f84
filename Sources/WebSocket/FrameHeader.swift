/// The rules that a receiver checks frame headers against.
struct FrameRules {
    /// The receiver's role.
    let role: Role
    /// ``NegotiatedExtensions/reservedBits``
    let reservedBits: UInt8
}

/// The two to fourteen bytes before a frame's payload, RFC 6455 §5.2.
struct FrameHeader {
    static let maxByteCount = 14
    static let maxControlPayloadBytes = 125

    var opcode: Opcode
    var isFinal: Bool
    /// RSV1-3 at their positions in the first byte, for the negotiated extension.
    var reservedBits: UInt8
    /// `.none` for a frame that is not masked.
    var maskingKey: MaskingKey
    var payloadByteCount: Int

    /// Length of the header, determined by its second byte.
    @inline(__always)
    static func byteCount(secondByte: UInt8) -> Int {
        let length = secondByte & 0x7F
        let lengthByteCount = length < 126 ? 0 : length == 126 ? 2 : 8
        return 2 + lengthByteCount + (secondByte & 0x80 != 0 ? 4 : 0)
    }

    /// Validates the first two bytes, so that a bad frame is refused before the rest of its header arrives.
    @inline(__always)
    static func check(
        _ first: UInt8, _ second: UInt8, _ rules: FrameRules
    ) throws(ProtocolViolation) -> Opcode {
        guard let opcode = Opcode(rawValue: first & 0x0F) else { throw .reservedOpcode(first & 0x0F) }
        let reserved = first & 0x70
        if reserved & ~(opcode.startsMessage ? rules.reservedBits : 0) != 0 { throw .reservedBits(reserved) }
        switch rules.role {
        case .server: if second & 0x80 == 0 { throw .unmaskedClientFrame }
        case .client: if second & 0x80 != 0 { throw .maskedServerFrame }
        }
        if opcode.isControl {
            if first & 0x80 == 0 { throw .fragmentedControlFrame }
            if second & 0x7F > 125 { throw .controlPayloadTooLong }
        }
        return opcode
    }

    /// - Parameter bytes: a complete header of ``byteCount(secondByte:)`` bytes.
    @inline(__always)
    init(_ bytes: UnsafeRawPointer, _ rules: FrameRules) throws(ProtocolViolation) {
        let first = bytes.load(as: UInt8.self)
        let second = bytes.load(fromByteOffset: 1, as: UInt8.self)
        opcode = try Self.check(first, second, rules)
        isFinal = first & 0x80 != 0
        reservedBits = first & 0x70
        var position = 2
        switch second & 0x7F {
        case 126:
            payloadByteCount = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            if payloadByteCount < 126 { throw .lengthNotMinimal }
            position = 4
        case 127:
            let length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            if length >> 63 != 0 { throw .lengthHighBitSet }
            if length <= 0xFFFF { throw .lengthNotMinimal }
            payloadByteCount = Int(clamping: length)
            position = 10
        case let length:
            payloadByteCount = Int(length)
        }
        maskingKey = second & 0x80 != 0 ? MaskingKey(bytes + position) : .none
    }

    /// Length of the shortest header for a payload.
    @inline(__always)
    static func byteCount(payloadByteCount: Int, isMasked: Bool) -> Int {
        (payloadByteCount < 126 ? 2 : payloadByteCount <= 0xFFFF ? 4 : 10) + (isMasked ? 4 : 0)
    }

    /// Writes the shortest header.
    /// - Returns: its length in bytes.
    @inline(__always)
    @discardableResult
    static func write(
        _ firstByte: UInt8, payloadByteCount: Int, _ key: MaskingKey?, to room: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let start = room.baseAddress else { return 0 }
        let maskBit: UInt8 = key == nil ? 0 : 0x80
        start.storeBytes(of: firstByte, as: UInt8.self)
        var position = 2
        if payloadByteCount < 126 {
            start.storeBytes(of: maskBit | UInt8(payloadByteCount), toByteOffset: 1, as: UInt8.self)
        } else if payloadByteCount <= 0xFFFF {
            start.storeBytes(of: maskBit | 126, toByteOffset: 1, as: UInt8.self)
            start.storeBytes(of: UInt16(payloadByteCount).bigEndian, toByteOffset: 2, as: UInt16.self)
            position = 4
        } else {
            start.storeBytes(of: maskBit | 127, toByteOffset: 1, as: UInt8.self)
            start.storeBytes(of: UInt64(payloadByteCount).bigEndian, toByteOffset: 2, as: UInt64.self)
            position = 10
        }
        if let key {
            start.storeBytes(of: key.word.littleEndian, toByteOffset: position, as: UInt32.self)
            position += 4
        }
        return position
    }
}
