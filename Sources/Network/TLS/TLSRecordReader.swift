import COpenSSL
import Glibc

/// Opens what a TLS 1.3 client sends after its handshake, and keeps the protocol's rules for it. No I/O.
struct TLSRecordReader: ~Copyable {
    /// How a direction ended.
    enum End {
        /// close_notify.
        case closed
        /// An alert of the peer's.
        case refused(UInt8)
        /// A broken rule, for which the peer gets the alert.
        case broken(TLSAlert)
    }

    /// Records without a byte for the application that may come in a row: they cost us and give nothing.
    private static let mostEmptyRecords = 32
    /// KeyUpdate has one byte of content (RFC 8446 §4.6.3).
    private static let keyUpdateByteCount = 5

    private var cipher: TLSRecordCipher
    /// A message that came in pieces: its bytes so far, the last one lowest.
    private var message: UInt64 = 0
    private var messageByteCount = 0
    private var emptyRecords = 0
    private(set) var end: End?
    /// Whether the peer waits for our next key.
    var owesKeyUpdate = false

    init(_ cipher: consuming TLSRecordCipher) { self.cipher = cipher }

    /// Opens the whole records at the head of `bytes`, and puts their content there.
    /// - Returns: the bytes of content, and those of records that were used; the rest begins a record that is not whole.
    mutating func open(_ bytes: UnsafeMutableRawBufferPointer) -> (content: Int, used: Int) {
        guard let base = bytes.baseAddress else { return (0, 0) }
        var filled = 0
        var position = 0
        do throws(TLSAlert) {
            while end == nil, bytes.count - position >= TLSRecord.headerByteCount {
                let record = base + position
                let length = Int(bytes[position + 3]) << 8 | Int(bytes[position + 4])
                // Nothing is sent in clear any more (RFC 8446 §5).
                if bytes[position] != TLSContentType.applicationData.rawValue { throw .unexpectedMessage }
                if length > TLSRecord.maxSealedByteCount { throw .recordOverflow }
                if length <= TLSRecord.tagByteCount { throw .badRecordMAC }
                if bytes.count - position < TLSRecord.headerByteCount + length { break }
                guard cipher.open(record, length) else { throw .badRecordMAC }
                position += TLSRecord.headerByteCount + length
                let content = try take(record + TLSRecord.headerByteCount, length - TLSRecord.tagByteCount)
                memmove(base + filled, record + TLSRecord.headerByteCount, content)
                filled += content
            }
        } catch {
            ERR_clear_error()
            end = .broken(error)
        }
        return (filled, position)
    }

    /// Takes an opened record.
    /// - Returns: how many bytes at its head are for the application.
    private mutating func take(_ inner: UnsafeMutableRawPointer, _ innerByteCount: Int) throws(TLSAlert) -> Int {
        let bytes = UnsafeRawBufferPointer(start: inner, count: innerByteCount)
        // The type stands behind the content, and zeros may stand behind the type.
        guard let last = bytes.lastIndex(where: { $0 != 0 }) else { throw .unexpectedMessage }
        if last > TLSRecord.maxContentByteCount { throw .recordOverflow }
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<last])
        let type = TLSContentType(rawValue: bytes[last])
        // The pieces of a message stand together (RFC 8446 §5.1).
        if messageByteCount > 0, type != .handshake { throw .unexpectedMessage }
        switch type {
        case .applicationData where last > 0:
            emptyRecords = 0
            return last
        case .applicationData: break
        case .alert: try take(alert: content)
        case .handshake: try take(handshake: content)
        case nil: throw .unexpectedMessage
        }
        emptyRecords += 1
        if emptyRecords > Self.mostEmptyRecords { throw .unexpectedMessage }
        return 0
    }

    /// All alerts but two end the connection, whatever level they name (RFC 8446 §6).
    private mutating func take(alert content: UnsafeRawBufferPointer) throws(TLSAlert) {
        if content.count != 2 { throw .decodeError }
        switch TLSAlert(rawValue: content[1]) {
        case .closeNotify: end = .closed
        case .userCanceled: break
        default: end = .refused(content[1])
        }
    }

    /// Of messages after the handshake a client may send KeyUpdate alone: we never ask for its certificate then.
    private mutating func take(handshake content: UnsafeRawBufferPointer) throws(TLSAlert) {
        // It is the last thing by its key: nothing stands behind it in its record (RFC 8446 §5.1).
        if content.isEmpty || messageByteCount + content.count > Self.keyUpdateByteCount { throw .unexpectedMessage }
        for byte in content { message = message << 8 | UInt64(byte) }
        messageByteCount += content.count
        if messageByteCount < Self.keyUpdateByteCount { return }
        // Type and length, then whether our key is to change, too.
        if message >> 8 != UInt64(SSL3_MT_KEY_UPDATE) << 24 | 1 { throw .unexpectedMessage }
        let request = message & 0xFF
        if request > 1 { throw .illegalParameter }
        message = 0
        messageByteCount = 0
        guard cipher.update() else { throw .internalError }
        if request == 1 { owesKeyUpdate = true }
    }
}
