import Bytes
import DequeModule
public import JSON

/// The events of one session, in memory: pages of encoded events; the oldest are dropped above a limit in bytes. Loop-confined,
/// like its session.
///
/// A subclass commits the events to a store: the session appends an event before any reader sees it, and delivers it once the log
/// reports it committed. In this class an event counts as committed as soon as it is appended.
open class SessionLog {
    /// Oldest first; consecutive and not empty.
    private var pages = Deque<LogPage>()
    /// Maximum memory for events that no reader needs any more, in bytes.
    public let maxByteCount: Int
    /// Memory of its pages, in bytes.
    public private(set) var byteCount = 0
    /// Sizes of the pages with one large event each, in order.
    private var largePages = Deque<Int>()
    /// Position of the newest event; 0 if there was none.
    public private(set) var lastPosition = 0
    /// Bytes of all events so far, including dropped ones.
    public private(set) var endOffset = 0
    /// Its epochs; the last is that of the next events.
    public let epochs: LogEpochs
    /// All readers that must get every event have received them up to this position.
    private var droppablePosition = 0
    /// Called on the session's loop, never from within another call, with the previous ``committedPosition`` when it has grown or
    /// congestion has ended.
    public var onCommit: ((_ previous: Int) -> Void)?
    /// Called before events are dropped: the position of the slowest reader that must get every event.
    public var leastNeededPosition: (() -> Int)?

    /// An empty log.
    public init(maxByteCount: Int) {
        self.maxByteCount = maxByteCount
        epochs = LogEpochs()
    }

    /// A log that continues.
    /// - Parameters:
    ///   - pages: its newest events; consecutive, the last of them at `lastPosition`.
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

    /// Position of the newest committed event: readers get none after it.
    open var committedPosition: Int { lastPosition }
    /// Position of the oldest event that ``fetch(after:then:)`` finds; ``oldestPosition`` if there is no store.
    open var oldestStoredPosition: Int { oldestPosition }
    /// Whether too much is waiting to be committed for more to be generated. ``onCommit`` reports the end of the congestion.
    open var isCongested: Bool { false }
    /// An event was appended.
    open func appended(_ event: SessionEvent) {}
    /// Stores a change other than an event.
    open func store(_ change: SessionChange) {}
    /// Fetches events that are not in memory, a few pages, with their references.
    /// - Parameter then: called later on the session's loop; with no pages if the events are not available.
    open func fetch(after position: Int, then: @escaping ([LogPage]) -> Void) { then([]) }
    /// Runs the action once everything appended and stored so far is committed; at once, if it already is.
    open func whenCommitted(_ action: @escaping () -> Void) { action() }
    /// Whether a page may be dropped from memory.
    open func mayDrop(_ page: LogPage) -> Bool {
        // A large event does not push out its neighbours while a reader must still get it.
        if byteCount - (largePages.max() ?? 0) > maxByteCount || page.lastPosition <= droppablePosition { return true }
        droppablePosition = min(leastNeededPosition?() ?? .max, lastPosition)
        return page.lastPosition <= droppablePosition
    }

    // MARK: Appending

    /// Appends an event.
    /// - Parameters:
    ///   - named: another response that its body names.
    ///   - byteCount: size of its body in bytes.
    ///   - write: writes the body.
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
            // number-safe: reads what was just written
            preconditionFailure("an event cannot be read that was just written")
        }
        appended(event)
        trim()
        return event
    }

    /// Appends an event whose body is in a buffer.
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

    /// Drops pages that no reader needs any more.
    public final func trim() {
        // The newest stays whatever its size: a log without its last event would be of no use.
        while byteCount > maxByteCount, pages.count > 1, let oldest = pages.first, mayDrop(oldest) {
            pages.removeFirst()
            byteCount -= oldest.capacity
            if oldest.capacity > LogPage.byteCount { largePages.removeFirst() }
        }
    }

    // MARK: Reading

    /// The position of the newest event, with its epoch.
    public final var end: LogPosition { epochs.position(of: lastPosition) }

    /// The sequence number after which a client continues that has everything up to a position. If its events may differ from the
    /// log's, it is one that the log never has, and the reader is treated like any whose events are lost.
    public final func sequence(of position: LogPosition) -> Int { epochs.sequence(of: position) ?? Self.lostPosition }

    /// Stands for a position in no epoch of the log.
    private static var lostPosition: Int { -1 }

    /// Position of the oldest event in memory; `lastPosition + 1` if none is.
    public final var oldestPosition: Int { pages.first?.firstPosition ?? lastPosition + 1 }

    /// Whether everything after `position` is in memory.
    public final func holdsAll(after position: Int) -> Bool { position >= oldestPosition - 1 && position <= lastPosition }

    /// Whether everything after `position` is available, from memory or through ``fetch(after:then:)``.
    public final func canProvideAll(after position: Int) -> Bool {
        position >= min(oldestPosition, oldestStoredPosition) - 1 && position <= lastPosition
    }

    /// The event after `place`, which advances; nil at the end of the log, or if it is not in memory.
    @inline(__always)
    public final func next(_ place: inout LogPlace) -> SessionEvent? {
        while true {
            if let page = place.page, place.offset < page.used {
                let event = SessionEvent(page, page.references, at: place.offset, upTo: page.used, position: place.position + 1)
                place.position += 1
                guard let event else {
                    // Of an unknown kind.
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

    /// The place after the event with this position.
    public final func place(after position: Int) -> LogPlace { LogPlace(position: position) }

    /// The event after `position`; nil if it is not in memory. O(n) in the events of its page: use a place to read on.
    public final func event(after position: Int) -> SessionEvent? {
        var place = place(after: position)
        return next(&place)
    }

    /// Bytes of the log up to the end of the event with this position, or to the end of the log if it is not in memory.
    final func byteOffset(of position: Int) -> Int {
        guard holdsAll(after: position), position < lastPosition, let page = page(of: position + 1) else { return endOffset }
        return page.startOffset + page.offset(of: position + 1)
    }

    /// Whether all events of a response after `responseSequence` are in memory. O(n) up to the response's first event in memory.
    public final func holdsAll(of response: ResponseHeader, afterResponseSequence responseSequence: Int) -> Bool {
        var place = place(after: oldestPosition - 1)
        while let event = next(&place) {
            // A client may send the largest number.
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

/// A place in a session's log: after an event, with the page of the next one, which it retains.
public struct LogPlace {
    /// Position of the last event before it.
    public internal(set) var position: Int
    fileprivate(set) var page: LogPage?
    fileprivate(set) var offset = 0

    init(position: Int) { self.position = position }

    /// Moves to the place after an event.
    @inline(__always)
    mutating func move(behind event: SessionEvent) {
        position = event.position
        offset = event.end
        if page !== event.page { page = event.page }
    }
}

/// Changes to a session that must be stored besides its events.
public enum SessionChange: Sendable {
    /// The session was created.
    case created(SessionRecord)
    /// Items were appended to the conversation; `position` is the index of the first.
    case remembered([Item], position: Int)
    /// Items were inserted; `position` is the index of the first.
    case itemsInserted([Item], position: Int)
    /// The item at `position` was replaced.
    case itemReplaced(Item, position: Int)
    /// The item at `position` was deleted.
    case itemDeleted(position: Int)
    /// The session's metadata was replaced.
    case metadata(JSONValue)
    /// A response was created, has begun, or has ended.
    case response(GenerationRecord)
    /// A response was deleted.
    case responseDeleted(String)
}
