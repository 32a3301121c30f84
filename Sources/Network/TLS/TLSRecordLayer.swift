import Bytes
import CLinux
import COpenSSL
import Glibc

/// The records of a TLS 1.3 server's connection after the handshake (RFC 8446 §5), in place of OpenSSL's `SSL`: an idle connection
/// keeps two ciphers and no buffer. Nonblocking, in the form of ``SocketLayer``'s calls. Loop-confined.
package final class TLSRecordLayer {
    /// Records by one key of ours: the bound for AES-GCM is 2^24.5 (RFC 8446 §5.5).
    private static let mostRecordsByKey: UInt64 = 1 << 24
    /// Records that go out by one system call. A peer that does not read has no more than these sealed.
    private static let recordsAtOnce = 2
    private static let keyUpdate: [UInt8] = [UInt8(SSL3_MT_KEY_UPDATE), 0, 0, 1, 0]

    private var reader: TLSRecordReader
    private var writer: TLSRecordCipher
    private let lower: SocketLayer?
    /// The head of a record that is not whole yet.
    private var partial: [UInt8] = []
    /// Sealed, and not taken by the kernel yet.
    private var unsent: [UInt8] = []
    /// How much content is in `unsent` of which the caller has not been told that it is sent.
    private var heldByteCount = 0
    private var isEndTold = false
    private var isOutputClosed = false

    /// - Parameters:
    ///   - received: how many records came by the secret `reading` before; `sent` likewise.
    ///   - lower: a layer in the socket's place, for tests.
    package init?(
        _ suite: TLSSuite, reading: TLSSecret, received: UInt64, writing: TLSSecret, sent: UInt64, lower: SocketLayer? = nil
    ) {
        guard let opener = TLSRecordCipher.make(suite, reading, seals: false, number: received),
            let sealer = TLSRecordCipher.make(suite, writing, seals: true, number: sent)
        else { return nil }
        reader = TLSRecordReader(opener)
        writer = sealer
        self.lower = lower
    }

    /// Why the last call failed with `EPROTO`.
    package var failure: TLSError? {
        switch reader.end {
        case .refused(let alert): TLSError(.refusedByPeer, TLSAlert.name(alert))
        case .broken(let alert): TLSError(.protocolError, TLSAlert.name(alert.rawValue))
        case .closed, nil: nil
        }
    }

    private var hasFailed: Bool {
        switch reader.end {
        case .refused, .broken: true
        case .closed, nil: false
        }
    }

    // MARK: Input

    /// Whether an end waits of which the kernel knows nothing.
    package var hasUnread: Bool { reader.end != nil && !isEndTold }

    /// As `recv`. `room` must be more than a record has.
    package func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int {
        if reader.end != nil { return tellEnd() }
        let kept = partial.count
        if kept > 0 { partial.withUnsafeBytes { base.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: kept) } }
        let count =
            lower.map { $0.receive(descriptor, base + kept, room - kept) } ?? clinux_recv(descriptor, base + kept, room - kept)
        // A client that just closes is taken for one that ended.
        if count <= 0 { return count }
        let bytes = UnsafeMutableRawBufferPointer(start: base, count: kept + count)
        let (content, used) = reader.open(bytes)
        if kept > 0 { partial = [] }
        if reader.end == nil {
            if used < bytes.count { partial = Array(bytes[used...]) }
        } else {
            sendAlertForFailure(descriptor)
            if content == 0 { return tellEnd() }
        }
        if content > 0 { return content }
        errno = EAGAIN
        return -1
    }

    private func tellEnd() -> Int {
        isEndTold = true
        if !hasFailed { return 0 }
        errno = EPROTO
        return -1
    }

    private func sendAlertForFailure(_ descriptor: Int32) {
        // Behind a record that has not gone out it could not go out either.
        guard case .broken(let alert) = reader.end, unsent.isEmpty, !isOutputClosed else { return }
        _ = send(alert, level: 2, descriptor)
    }

    // MARK: Output

    /// As `send`. After `EAGAIN` the same bytes must be given again, perhaps with more behind them.
    package func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
        if hasFailed || isOutputClosed {
            errno = hasFailed ? EPROTO : EPIPE
            return -1
        }
        if !unsent.isEmpty {
            guard flush(descriptor) else { return -1 }
            let taken = heldByteCount
            heldByteCount = 0
            if taken > 0 { return taken }
        }
        let taken = min(count, Self.recordsAtOnce * TLSRecord.maxContentByteCount)
        let updatesKey = reader.owesKeyUpdate || writer.number >= Self.mostRecordsByKey
        let most = taken + (Self.recordsAtOnce + 1) * TLSRecord.overhead + Self.keyUpdate.count
        return withUnsafeTemporaryAllocation(byteCount: most, alignment: 8) { scratch in
            guard let start = scratch.baseAddress else { return -1 }
            var length = 0
            if updatesKey {
                guard sealKeyUpdate(into: start) else { return failed() }
                length = Self.keyUpdate.count + TLSRecord.overhead
            }
            var position = 0
            while position < taken {
                let piece = min(taken - position, TLSRecord.maxContentByteCount)
                let content = UnsafeRawBufferPointer(start: base + position, count: piece)
                guard writer.seal(TLSContentType.applicationData.rawValue, content, into: start + length) else { return failed() }
                position += piece
                length += piece + TLSRecord.overhead
            }
            if put(descriptor, UnsafeRawBufferPointer(start: start, count: length)) { return taken }
            heldByteCount = taken
            return -1
        }
    }

    /// The last message by the old key (RFC 8446 §4.6.3). One answers all requests that came since our last data.
    private func sealKeyUpdate(into output: UnsafeMutableRawPointer) -> Bool {
        reader.owesKeyUpdate = false
        return Self.keyUpdate.withUnsafeBytes { writer.seal(TLSContentType.handshake.rawValue, $0, into: output) }
            && writer.update()
    }

    private func failed() -> Int {
        ERR_clear_error()
        isOutputClosed = true
        errno = EPIPE
        return -1
    }

    /// Says to the peer that nothing more comes; -1 with `EAGAIN` to be asked again.
    package func closeOutput(_ descriptor: Int32) -> Int {
        if hasFailed { return 0 }
        if !unsent.isEmpty, !flush(descriptor) { return errno == EAGAIN ? -1 : 0 }
        if isOutputClosed { return 0 }
        isOutputClosed = true
        return send(.closeNotify, level: 1, descriptor) || errno != EAGAIN ? 0 : -1
    }

    private func send(_ alert: TLSAlert, level: UInt8, _ descriptor: Int32) -> Bool {
        var content = (level, alert.rawValue)
        return withUnsafeTemporaryAllocation(byteCount: 2 + TLSRecord.overhead, alignment: 8) { scratch in
            guard let start = scratch.baseAddress,
                withUnsafeBytes(of: &content, { writer.seal(TLSContentType.alert.rawValue, $0, into: start) })
            else { return false }
            return put(descriptor, UnsafeRawBufferPointer(start: start, count: 2 + TLSRecord.overhead))
        }
    }

    /// Sends sealed bytes and keeps what the kernel does not take: a sealed record has its number, and must go out as it is.
    /// - Returns: false with errno; with `EAGAIN` the rest is kept.
    private func put(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let sent = write(descriptor, bytes)
        if sent == bytes.count { return true }
        if sent < 0, errno != EAGAIN, errno != EINTR { return false }
        unsent = Array(bytes[max(sent, 0)...])
        errno = EAGAIN
        return false
    }

    private func flush(_ descriptor: Int32) -> Bool {
        let sent = unsent.withUnsafeBytes { write(descriptor, $0) }
        if sent == unsent.count {
            unsent = []
            return true
        }
        if sent < 0, errno != EAGAIN, errno != EINTR { return false }
        unsent.removeFirst(max(sent, 0))
        errno = EAGAIN
        return false
    }

    @inline(__always) private func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        return lower.map { $0.send(descriptor, base, bytes.count) } ?? clinux_send(descriptor, base, bytes.count)
    }
}
