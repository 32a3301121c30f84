import Bytes
import DequeModule
public import JSON

/// The events of one session, in memory: pages of encoded events, the oldest dropped when they pass a bound in bytes. Loop-confined,
/// like its session.
///
/// A subclass commits them to a store: the session appends an event before anyone sees it, and delivers it when the log says that it
/// is committed. Here an event is committed, as far as it ever will be, once it is appended.
open class SessionLog {
    /// Oldest first; consecutive, and none is empty.
    private var pages = Deque<LogPage>()
    /// Bytes of memory that it may hold for events that nobody needs any more.
    public let maxByteCount: Int
    /// Bytes of memory that its pages take.
    public private(set) var byteCount = 0
    /// Bytes of the pages that hold one large event each, in their order.
    private var largePages = Deque<Int>()
    /// Position of the newest event; 0 when there was none.
    public private(set) var lastPosition = 0
    /// Bytes of all events so far, also of those that were dropped.
    public private(set) var endOffset = 0
    /// Its epochs, of which the last is that of the events to come.
    public let epochs: LogEpochs
    /// Events up to this one were got by all who must get every event.
    private var droppablePosition = 0
    /// Called when ``committedPosition`` has grown or congestion is over, with its value before, on the session's loop and never
    /// from within another call.
    public var onCommit: ((_ previous: Int) -> Void)?
    /// Asked when events have to go from memory: the position of the reader furthest behind of those that must get every event.
    public var leastNeededPosition: (() -> Int)?

    public init(maxByteCount: Int) {
        self.maxByteCount = maxByteCount
        epochs = LogEpochs()
    }

    /// A log that goes on.
    /// - Parameters:
    ///   - pages: its newest events; consecutive, and the last of them ends with `lastPosition`.
    ///   - endOffset: bytes of all events so far.
    ///   - epochs: each page lies within one of them.
    public init(
        maxByteCount: Int, pages: [LogPage], lastPosition: Int, endOffset: Int, epochs: LogEpochs = LogEpochs()
    ) {
        self.epochs = epochs
        self.maxByteCount = maxByteCount
        self.pages = Deque(pages)
        self.lastPosition = lastPosition
        self.endOffset = endOffset
        byteCount = pages.reduce(0) { $0 + $1.capacity }
        largePages = Deque(pages.map(\.capacity).filter { $0 > LogPage.byteCount })
    }

    // MARK: For subclasses

    /// Position of the newest event that is committed: readers get none after it.
    open var committedPosition: Int { lastPosition }
    /// Position of the oldest event that ``fetch(after:then:)`` finds; as ``oldestPosition`` where there is no other place.
    open var oldestStoredPosition: Int { oldestPosition }
    /// Whether so much waits to be committed that more should not be made. Who was told so is told by ``onCommit`` when it is over.
    open var isCongested: Bool { false }
    /// An event was appended.
    open func appended(_ event: SessionEvent) {}
    /// Stores something that is no event.
    open func store(_ change: SessionChange) {}
    /// Reads events that memory does not hold, a page or a few of them, with what they refer to.
    /// - Parameter then: called later on the session's loop; with nothing when they cannot be had.
    open func fetch(after position: Int, then: @escaping ([LogPage]) -> Void) { then([]) }
    /// Runs the action when everything that was appended and stored until now is committed: at once, if it is.
    open func whenCommitted(_ action: @escaping () -> Void) { action() }
    /// Whether a page of which nobody needs an event may be dropped.
    open func mayDrop(_ page: LogPage) -> Bool {
        // One event of any size does not push out what comes before or behind it while a reader must get it.
        if byteCount - (largePages.max() ?? 0) > maxByteCount || page.lastPosition <= droppablePosition { return true }
        droppablePosition = min(leastNeededPosition?() ?? .max, lastPosition)
        return page.lastPosition <= droppablePosition
    }

    // MARK: Appending

    /// Appends an event.
    /// - Parameters:
    ///   - named: another response, which its body names.
    ///   - byteCount: bytes of its body.
    ///   - write: writes them.
    @inline(__always)
    final func append(
        _ kind: EventKind, _ response: ResponseHeader?, responseSequence: Int, _ item: ResponseItem?,
        naming named: ResponseHeader? = nil, byteCount: Int, _ write: (UnsafeMutableRawPointer) -> Void
    ) -> SessionEvent {
        var length = 1 + byteCount + 1
        if let response {
            length =
                1 + byteCount + Varint.byteCount(response.ordinal) + Varint.byteCount(responseSequence)
                + Varint.byteCount((item?.index ?? -1) + 1)
        }
        let page = page(withRoom: Varint.byteCount(length) + length)
        if let response { page.refer(to: response, item) }
        if let named { page.refer(to: named, nil) }
        let offset = page.used
        page.append(byteCount: Varint.byteCount(length) + length) { room in
            var room = room
            Varint.write(length, to: &room)
            room.storeBytes(of: kind.rawValue, as: UInt8.self)
            room += 1
            if let response {
                Varint.write(response.ordinal, to: &room)
                Varint.write(responseSequence, to: &room)
                Varint.write((item?.index ?? -1) + 1, to: &room)
            } else {
                Varint.write(0, to: &room)
            }
            write(room)
        }
        lastPosition += 1
        endOffset += page.used - offset
        guard let event = SessionEvent(page, page.references, at: offset, upTo: page.used, position: lastPosition) else {
            // number-safe: what was just written is what is read
            preconditionFailure("an event cannot be read that was just written")
        }
        appended(event)
        trim()
        return event
    }

    /// Appends an event whose body stands in a buffer.
    final func append(
        _ kind: EventKind, _ response: ResponseHeader?, responseSequence: Int, _ item: ResponseItem?,
        naming named: ResponseHeader? = nil, body: UnsafeRawBufferPointer
    ) -> SessionEvent {
        append(kind, response, responseSequence: responseSequence, item, naming: named, byteCount: body.count) { room in
            if let start = body.baseAddress { room.copyMemory(from: start, byteCount: body.count) }
        }
    }

    private func page(withRoom needed: Int) -> LogPage {
        if let last = pages.last, last.room >= needed { return last }
        let capacity = max(needed, pages.isEmpty && lastPosition == 0 ? LogPage.firstByteCount : LogPage.byteCount)
        let page = LogPage(
            firstPosition: lastPosition + 1, epoch: epochs.epoch(of: lastPosition + 1), startOffset: endOffset, capacity: capacity)
        pages.append(page)
        byteCount += capacity
        if capacity > LogPage.byteCount { largePages.append(capacity) }
        return page
    }

    // MARK: Memory

    /// Drops from memory what had to stay for a reader and need not any more.
    public final func trim() {
        // The newest stays whatever its size: a log that cannot hold its last event could tell nobody anything.
        while byteCount > maxByteCount, pages.count > 1, let oldest = pages.first, mayDrop(oldest) {
            pages.removeFirst()
            byteCount -= oldest.capacity
            if oldest.capacity > LogPage.byteCount { largePages.removeFirst() }
        }
    }

    // MARK: Reading

    /// The position of the newest event with its epoch.
    public final var end: LogPosition { epochs.position(of: lastPosition) }

    /// Where a client goes on that has everything up to a position: a sequence number, or one that the log never has, where what
    /// the client has may be something else than what the log has. A reader from there is told, like any whose place is gone.
    public final func sequence(of position: LogPosition) -> Int { epochs.sequence(of: position) ?? Self.lostPosition }

    /// Stands for a position that is in no epoch of the log.
    private static var lostPosition: Int { -1 }

    /// Position of the oldest event in memory; `lastPosition + 1` when none is.
    public final var oldestPosition: Int { pages.first?.firstPosition ?? lastPosition + 1 }

    /// Whether a reader that has seen `position` finds everything after it in memory.
    public final func holdsAll(after position: Int) -> Bool { position >= oldestPosition - 1 && position <= lastPosition }

    /// Whether a reader that has seen `position` can have everything after it, from memory or by ``fetch(after:then:)``.
    public final func canProvideAll(after position: Int) -> Bool {
        position >= min(oldestPosition, oldestStoredPosition) - 1 && position <= lastPosition
    }

    /// The event after a place in the log, which moves behind it; nil at the end of the log, and where memory does not hold it.
    @inline(__always)
    public final func next(_ place: inout LogPlace) -> SessionEvent? {
        while true {
            if let page = place.page, place.offset < page.used {
                let event = SessionEvent(page, page.references, at: place.offset, upTo: page.used, position: place.position + 1)
                place.position += 1
                guard let event else {
                    // Of a kind that we do not know.
                    place.offset = page.offset(of: place.position + 1)
                    continue
                }
                place.offset = event.end
                return event
            }
            guard place.position < lastPosition, let page = page(of: place.position + 1) else { return nil }
            place.page = page
            place.offset = page.offset(of: place.position + 1)
        }
    }

    /// The place behind the event with this position.
    public final func place(after position: Int) -> LogPlace { LogPlace(position: position) }

    /// The event after `position`; nil where memory does not hold it. O(n) in the events of its page: to read on, use a place.
    public final func event(after position: Int) -> SessionEvent? {
        var place = place(after: position)
        return next(&place)
    }

    /// Bytes of the log up to the end of the event with this position; of those that memory does not hold, up to the newest.
    final func byteOffset(of position: Int) -> Int {
        guard holdsAll(after: position), position < lastPosition, let page = page(of: position + 1) else { return endOffset }
        return page.startOffset + page.offset(of: position + 1)
    }

    /// Whether a reader that has seen a response's events up to `responseSequence` finds all of its others in memory. O(n) up to the
    /// first event of the response that is held.
    public final func holdsAll(of response: ResponseHeader, afterResponseSequence responseSequence: Int) -> Bool {
        var place = place(after: oldestPosition - 1)
        while let event = next(&place) {
            // A client's number may be the largest that there is.
            if event.isPart(of: response) { return event.responseSequence - 1 <= responseSequence }
        }
        return false
    }

    /// O(log n) in the pages.
    private func page(of position: Int) -> LogPage? {
        if let last = pages.last, position >= last.firstPosition { return position <= last.lastPosition ? last : nil }
        var low = 0
        var high = pages.count
        while low < high {
            let middle = (low + high) / 2
            if pages[middle].lastPosition < position { low = middle + 1 } else { high = middle }
        }
        return low < pages.count && pages[low].firstPosition <= position ? pages[low] : nil
    }
}

/// A place in a session's log: behind an event, and the page that holds the next, which it retains.
public struct LogPlace {
    /// Position of the last event before it.
    public internal(set) var position: Int
    fileprivate(set) var page: LogPage?
    fileprivate(set) var offset = 0

    init(position: Int) { self.position = position }

    /// Behind an event.
    @inline(__always)
    mutating func move(behind event: SessionEvent) {
        position = event.position
        offset = event.end
        if page !== event.page { page = event.page }
    }
}

/// What of a session must outlive the process, besides its events.
public enum SessionChange: Sendable {
    /// It was made.
    case created(SessionRecord)
    /// Items were taken into the conversation, from this index on: behind all others.
    case remembered([Item], position: Int)
    /// Items were put between others, from this index on; those behind them moved down.
    case itemsInserted([Item], position: Int)
    /// Another item stands in the position of one.
    case itemReplaced(Item, position: Int)
    /// An item was taken out of the conversation; those after it moved up.
    case itemDeleted(position: Int)
    /// The session has other metadata.
    case metadata(JSONValue)
    /// A response was made, has begun, or has ended.
    case response(GenerationRecord)
    /// A response is to be found no more.
    case responseDeleted(String)
}
