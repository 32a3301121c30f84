import Network
import Synchronization

/// What a transfer told, readable from the test's thread.
final class TransferRecorder: Sendable {
    struct Record: Sendable {
        var status: Int?
        var fields: [String: String] = [:]
        var body = ""
        var pieceCount = 0
        var end: HTTPTransfer.End?
        var endCount = 0
        var startedAt = ContinuousClock.now
        /// Taken in the loop: the test's own thread may have to wait for others.
        var endedAt = ContinuousClock.now
        var callsAfterCancel = 0
    }

    private let record = Mutex(Record())
    private let transfer = Mutex<LoopBound<RecordedTransfer>?>(nil)

    var now: Record { record.withLock { $0 } }

    fileprivate func change(_ body: (inout Record) -> Void) { record.withLock { body(&$0) } }
    fileprivate func set(_ bound: LoopBound<RecordedTransfer>) { transfer.withLock { $0 = bound } }

    /// Runs `body` with the transfer on its loop and waits for it.
    func onLoop(_ body: @escaping @Sendable (RecordedTransfer) -> Void) async {
        guard let bound = transfer.withLock({ $0 }) else { return }
        await bound.call { body($0) }
    }

    /// The same, called on the loop.
    func onLoopNow(_ body: (RecordedTransfer) -> Void) {
        if let bound = transfer.withLock({ $0 }) { body(bound.value) }
    }

    /// Waits until the record is so; at most `seconds`.
    func wait(seconds: Double = 60, _ condition: (Record) -> Bool) async -> Record {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !condition(now), ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
        return now
    }

    func waitForEnd() async -> HTTPTransfer.End? { await wait { $0.end != nil }.end }
}

/// A transfer that records; `onPiece` is called with each piece of the body, in the loop.
final class RecordedTransfer: HTTPTransfer {
    /// Weak: the recorder holds the transfer.
    private weak let recorder: TransferRecorder?
    private let onPiece: (@Sendable (RecordedTransfer) -> Void)?
    private let onEnd: (@Sendable () -> Void)?
    private var isCancelled = false

    init(
        _ request: HTTPClientRequest, _ recorder: TransferRecorder, onPiece: (@Sendable (RecordedTransfer) -> Void)?,
        onEnd: (@Sendable () -> Void)?
    ) {
        self.recorder = recorder
        self.onPiece = onPiece
        self.onEnd = onEnd
        super.init(request)
    }

    func stop() {
        isCancelled = true
        cancel()
    }

    override func receivedHead(_ head: HTTPClientResponse) {
        recorder?.change { record in
            record.status = head.status
            for field in head.fields { record.fields[field.name.lowercased()] = field.value }
            if isCancelled { record.callsAfterCancel += 1 }
        }
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        recorder?.change { record in
            record.body += String(decoding: bytes, as: UTF8.self)
            record.pieceCount += 1
            if isCancelled { record.callsAfterCancel += 1 }
        }
        onPiece?(self)
    }

    override func ended(_ end: End) {
        recorder?.change { record in
            record.end = end
            record.endedAt = .now
            record.endCount += 1
            if isCancelled { record.callsAfterCancel += 1 }
        }
        onEnd?()
    }
}

extension EventLoop {
    /// Starts a recorded transfer on this loop.
    func begin(
        _ request: HTTPClientRequest, onPiece: (@Sendable (RecordedTransfer) -> Void)? = nil, onEnd: (@Sendable () -> Void)? = nil
    ) async -> TransferRecorder {
        await withCheckedContinuation { continuation in
            execute { continuation.resume(returning: self.beginNow(request, onPiece: onPiece, onEnd: onEnd)) }
        }
    }

    /// The same, called on the loop.
    func beginNow(
        _ request: HTTPClientRequest, onPiece: (@Sendable (RecordedTransfer) -> Void)? = nil, onEnd: (@Sendable () -> Void)? = nil
    ) -> TransferRecorder {
        let recorder = TransferRecorder()
        let transfer = RecordedTransfer(request, recorder, onPiece: onPiece, onEnd: onEnd)
        recorder.set(LoopBound(transfer, on: self))
        httpClient.start(transfer)
        return recorder
    }
}
