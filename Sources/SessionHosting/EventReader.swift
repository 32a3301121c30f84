package import Network
public import Sessions

/// A face's reader of a session's events, on the face's own loop, wherever the session lives. Loop-confined.
///
/// On the session's loop, events arrive within the session's own iteration, without a hop. From another loop they arrive in
/// batches, one for each iteration of the session's loop, at most a window of bytes ahead of the reader.
open class EventReader {
    /// The loop that the reader's methods are called on.
    package let loop: EventLoop
    /// How a reader that lags catches up.
    package let catchUp: CatchUp
    private let pass: ObjectIdentifier?
    private var cursor: LoopBound<FeedCursor>?
    /// Owner of the session.
    package private(set) var owner = ""
    /// Events from another loop, in order, until the reader is ready for them.
    private var backlog: [Delivery] = []
    private var isPaused = false
    /// Whether the reader reads no more, also if a command that attaches it is still under way.
    private(set) var isStopped = false
    /// Whether the server is stopping and the backlog comes first.
    private var isStopPending = false

    /// - Parameters:
    ///   - loop: the face's.
    ///   - catchUp: how the reader catches up when it lags.
    ///   - pass: the ``EncodingPass`` of the loop that it gets events from, if any: shared with the session's other readers there.
    package init(loop: EventLoop, catchUp: CatchUp, pass: AnyObject? = nil) {
        self.loop = loop
        self.catchUp = catchUp
        self.pass = pass.map { ObjectIdentifier($0) }
    }

    // MARK: For faces

    /// Receives the next event of the log.
    open func receive(_ event: SessionEvent) -> Cursor.Demand { .more }
    /// Receives the state at a position instead of events that the log no longer has, or never had.
    open func receiveSnapshot(_ state: [UInt8], at position: LogPosition) {}
    /// The log no longer has the next event, and nothing more will be delivered: see ``Sessions/CatchUp/WhenPlaceIsGone/close``.
    open func receivePlaceGone() {}
    /// The session was deleted or has left memory.
    open func sessionClosed() {}
    /// The server is stopping, the session is at rest, and all of its events have been received.
    open func serverStopping() {}
    /// The disk accepts no writes, and further events wait for it. A reader that follows a session keeps waiting; one that waits
    /// for the end of a response is told.
    open func storageStalled() {}

    /// Continues after ``receive(_:)`` has returned `pause`.
    package final func resume() {
        guard isPaused else { return }
        isPaused = false
        drainBacklog()
        if !isPaused { cursor?.run { $0.readerTakesMore() } }
    }

    /// Stops reading for good. A reader that is to be attached by a command under way, or by a later one, leaves as soon as it has
    /// joined: for the session, its client disconnects then.
    package final func stop() {
        isStopped = true
        guard let cursor else { return }
        self.cursor = nil
        backlog = []
        cursor.run { $0.detach() }
    }

    /// Whether the reader is attached to a session.
    package final var isReading: Bool { cursor != nil }

    /// The reader's cursor, to be attached on the session's loop. Must be called on the reader's loop, once.
    final func makeCursor(for session: SessionReference, listens: Bool = true) -> LoopBound<FeedCursor> {
        let cursor = LoopBound(
            transferring: FeedCursor(
                feeding: LoopBound(self, on: loop), on: session.loop, listens: listens, catchUp: catchUp, pass: pass),
            to: session.loop)
        if !isStopped { self.cursor = cursor }
        owner = session.owner
        return cursor
    }

    // MARK: For the cursor

    fileprivate func take(_ event: SessionEvent) -> Cursor.Demand {
        if isStopped { return .pause }
        let demand = receive(event)
        if demand == .pause {
            isPaused = true
            loop.counters.pointee.readerPauses &+= 1
        }
        return demand
    }

    fileprivate func takeBatch(_ deliveries: [Delivery]) {
        guard cursor != nil else { return }
        backlog.append(contentsOf: deliveries)
        if !isPaused { drainBacklog() }
    }

    fileprivate func takeSnapshot(_ state: [UInt8], at position: LogPosition) {
        guard cursor != nil else { return }
        receiveSnapshot(state, at: position)
    }

    fileprivate func takePlaceGone() {
        guard cursor != nil else { return }
        cursor = nil
        receivePlaceGone()
    }

    fileprivate func takeEnd() {
        guard cursor != nil else { return }
        cursor = nil
        sessionClosed()
    }

    fileprivate func takeStop() {
        guard cursor != nil else { return }
        guard backlog.isEmpty else {
            isStopPending = true
            return
        }
        isStopPending = false
        serverStopping()
    }

    fileprivate func takeStall() {
        if cursor != nil { storageStalled() }
    }

    private func drainBacklog() {
        var taken = 0
        var takenBytes = 0
        deliveries: while taken < backlog.count, !isPaused, cursor != nil {
            switch backlog[taken] {
            case .events(var run):
                let before = run.byteCount
                while !isPaused, cursor != nil, let event = run.next() { _ = take(event) }
                takenBytes += before - run.byteCount
                if !run.isEmpty {
                    if cursor != nil { backlog[taken] = .events(run) }
                    break deliveries
                }
            case .snapshot(let state, let position):
                takenBytes += state.count
                takeSnapshot(state, at: position)
            case .placeGone: takePlaceGone()
            }
            taken += 1
        }
        backlog.removeFirst(min(taken, backlog.count))
        if takenBytes > 0 {
            let credit = takenBytes
            cursor?.run { $0.give(back: credit) }
        }
        if isStopPending { takeStop() }
    }
}

/// A message from a session's loop to a reader on another loop.
private enum Delivery: Sendable {
    /// Events of one page, which both loops share.
    case events(PageRun)
    case snapshot([UInt8], at: LogPosition)
    case placeGone

    var byteCount: Int {
        switch self {
        case .events(let run): run.byteCount
        case .snapshot(let state, _): state.count
        case .placeGone: 0
        }
    }
}

/// Delivers events to an ``EventReader``. Confined to the session's loop.
package final class FeedCursor: Cursor {
    /// Maximum number of bytes on the way to another loop.
    package static let windowBytes = 128 * 1024

    private let reader: LoopBound<EventReader>
    private let sessionLoop: EventLoop
    /// The reader, if it lives on the session's loop.
    private let local: EventReader?
    private var batch: [Delivery] = []
    private var bytesOnTheWay = 0
    private var isWindowFull = false

    init(
        feeding reader: LoopBound<EventReader>, on loop: EventLoop, listens: Bool, catchUp: CatchUp, pass: ObjectIdentifier?
    ) {
        self.reader = reader
        sessionLoop = loop
        local = reader.loop === loop ? reader.value : nil
        super.init(listens: listens, catchUp: catchUp, pass: pass)
    }

    package override func deliver(_ event: SessionEvent) -> Demand {
        if let local { return local.take(event) }
        send(event)
        return isWindowFull ? .pause : .more
    }

    package override func deliverSnapshot(_ state: [UInt8], sequence: Int) {
        let position = position(of: sequence)
        if let local {
            local.takeSnapshot(state, at: position)
        } else {
            send(.snapshot(state, at: position))
            // Must arrive before the response to the join.
            flush()
        }
    }

    package override func hostStopping() {
        if let local {
            local.takeStop()
        } else {
            flush()
            reader.run { $0.takeStop() }
        }
    }

    package override func storageStalled() {
        if let local { local.takeStall() } else { reader.run { $0.takeStall() } }
    }

    package override func deliverPlaceGone() {
        if let local {
            local.takePlaceGone()
        } else {
            send(.placeGone)
            // Must arrive before anything else, so that the client gets a status.
            flush()
        }
    }

    private func send(_ event: SessionEvent) {
        if case .events(var run)? = batch.last, run.extend(with: event) {
            batch[batch.count - 1] = .events(run)
            bytesOnTheWay += event.byteCount
            isWindowFull = bytesOnTheWay > Self.windowBytes
        } else {
            send(.events(PageRun(event)))
        }
    }

    private func send(_ delivery: Delivery) {
        if batch.isEmpty { flushAfterTurn() }
        batch.append(delivery)
        bytesOnTheWay += delivery.byteCount
        isWindowFull = bytesOnTheWay > Self.windowBytes
    }

    package override func sessionClosed() {
        if let local {
            local.takeEnd()
        } else {
            flush()
            reader.run { $0.takeEnd() }
        }
    }

    /// Continues after a pause. Only a reader on this loop pauses the cursor; one on another loop fills its backlog.
    func readerTakesMore() {
        if local != nil { resume() }
    }

    /// The reader on another loop has consumed this many bytes.
    func give(back byteCount: Int) {
        bytesOnTheWay -= byteCount
        if isWindowFull, bytesOnTheWay <= Self.windowBytes / 2 {
            isWindowFull = false
            resume()
        }
    }

    private func flushAfterTurn() {
        let bound = LoopBound(self, on: sessionLoop)
        sessionLoop.execute { bound.value.flush() }
    }

    private func flush() {
        if batch.isEmpty { return }
        let deliveries = batch
        batch = []
        reader.run { $0.takeBatch(deliveries) }
    }
}
