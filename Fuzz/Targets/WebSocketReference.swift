import WebSocket

/// A second, simple implementation of RFC 6455: complete input, no state but indices, Swift's own UTF-8. The receiver must produce
/// the same trace.
struct WebSocketReference {
    private(set) var trace = Trace()
    private let bytes: UnsafeRawBufferPointer
    private let role: Role
    private let maxMessageBytes: Int
    private var position = 0
    private var message: Message?
    private var deflate: DeflateReference?

    private struct Message {
        let isText: Bool
        let isDeflated: Bool
        /// As it came, frames joined.
        var bytes: [UInt8] = []
    }

    private struct Violation: Error { let closeCode: Int }

    init(_ bytes: UnsafeRawBufferPointer, _ role: Role, maxMessageBytes: Int, deflate: DeflateReference? = nil) {
        self.deflate = deflate
        self.bytes = bytes
        self.role = role
        self.maxMessageBytes = maxMessageBytes
        do throws(Violation) {
            while try takeFrame() {}
        } catch {
            trace.event("failed", "\(error.closeCode)")
        }
    }

    /// False when there is no further whole frame, or none that counts.
    private mutating func takeFrame() throws(Violation) -> Bool {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
        guard rest.count >= 2 else { return false }
        let opcode = rest[0] & 15
        let isFinal = rest[0] & 0x80 != 0
        let isControl = opcode >= 8
        let isMasked = rest[1] & 0x80 != 0
        let shortLength = Int(rest[1] & 0x7F)
        let mayBeDeflated = deflate != nil && (opcode == 1 || opcode == 2)
        guard [0, 1, 2, 8, 9, 10].contains(opcode), rest[0] & (mayBeDeflated ? 0x30 : 0x70) == 0, isMasked == (role == .server),
            !isControl || isFinal && shortLength <= 125
        else { throw Violation(closeCode: 1002) }
        let lengthByteCount = shortLength == 126 ? 2 : shortLength == 127 ? 8 : 0
        let headerByteCount = 2 + lengthByteCount + (isMasked ? 4 : 0)
        guard rest.count >= headerByteCount else { return false }
        var length = UInt64(shortLength)
        if lengthByteCount > 0 {
            length = rest[2..<2 + lengthByteCount].reduce(0) { $0 << 8 | UInt64($1) }
            let isMinimal = length > (lengthByteCount == 2 ? 125 : 65535)
            guard isMinimal, length >> 63 == 0 else { throw Violation(closeCode: 1002) }
        }
        if !isControl {
            guard (message != nil) == (opcode == 0) else { throw Violation(closeCode: 1002) }
            let isDeflated = message?.isDeflated ?? (rest[0] & 0x40 != 0)
            let most = isDeflated ? maxMessageBytes + maxMessageBytes / 8 + 64 : maxMessageBytes
            guard Int(length) <= most - (message?.bytes.count ?? 0) else { throw Violation(closeCode: 1009) }
        }
        let isWhole = rest.count - headerByteCount >= length
        var payload = Array(rest[headerByteCount...].prefix(Int(length)))
        if isMasked {
            for index in payload.indices { payload[index] ^= rest[headerByteCount - 4 + index % 4] }
        }
        if isControl {
            guard isWhole else { return false }
            position += headerByteCount + Int(length)
            return try takeControl(opcode, payload)
        }
        var message = self.message ?? Message(isText: opcode == 1, isDeflated: rest[0] & 0x40 != 0)
        message.bytes += payload
        let isEnd = isWhole && isFinal
        let content = try content(of: message, isEnd: isEnd)
        guard isWhole else { return false }
        position += headerByteCount + Int(length)
        self.message = isFinal ? nil : message
        if isEnd {
            guard !message.isText || Self.isText(content) else { throw Violation(closeCode: 1007) }
            content.withUnsafeBytes { trace.event(message.isText ? "text" : "binary", $0) }
        }
        return true
    }

    /// What has come of the message so far. The first thing that is wrong with it counts.
    private mutating func content(of message: Message, isEnd: Bool) throws(Violation) -> [UInt8] {
        let read = message.isDeflated ? deflate?.message(message.bytes, isWhole: isEnd, most: maxMessageBytes) : nil
        let (content, outcome) = read ?? (message.bytes, .fine)
        guard !message.isText || Self.beginsText(content) else { throw Violation(closeCode: 1007) }
        switch outcome {
        case .fine: return content
        case .tooBig: throw Violation(closeCode: 1009)
        case .corrupt: throw Violation(closeCode: 1002)
        }
    }

    private mutating func takeControl(_ opcode: UInt8, _ payload: [UInt8]) throws(Violation) -> Bool {
        guard opcode == 8 else {
            payload.withUnsafeBytes { trace.event(opcode == 9 ? "ping" : "pong", $0) }
            return true
        }
        if payload.isEmpty {
            trace.event("closed", "1005 ")
            return false
        }
        guard payload.count >= 2 else { throw Violation(closeCode: 1002) }
        let code = Int(payload[0]) << 8 | Int(payload[1])
        let isAllowed = (1000...1014).contains(code) && ![1004, 1005, 1006].contains(code) || (3000...4999).contains(code)
        guard isAllowed else { throw Violation(closeCode: 1002) }
        guard Self.isText(payload.dropFirst(2)) else { throw Violation(closeCode: 1007) }
        trace.event("closed", "\(code) " + String(decoding: payload.dropFirst(2), as: UTF8.self))
        return false
    }

    private static func isText(_ bytes: some Sequence<UInt8>) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    /// Whether some end makes it text: every first and last continuation byte of the ranges of RFC 3629 is tried.
    private static func beginsText(_ bytes: [UInt8]) -> Bool {
        if isText(bytes) { return true }
        let ends: [UInt8] = [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF]
        for first in ends {
            for more in [[], [0x80], [0x80, 0x80]] as [[UInt8]] where isText(bytes + [first] + more) { return true }
        }
        return false
    }
}
