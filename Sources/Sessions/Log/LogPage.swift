import Bytes

/// A piece of a session's log: consecutive encoded events, the same bytes in memory and on the disk.
///
/// The session's loop appends. Appended bytes never change, so that readers on other loops read them in place: they get a
/// ``PageRun``, which ends where the page ended when the run was made. The log, cursors and runs share the page.
public final class LogPage: @unchecked Sendable {
    /// Capacity of a page of small events, in bytes. A larger event has a page of its own.
    public static let byteCount = 4096
    /// Capacity of a log's first page, in bytes: most idle sessions have few events.
    static let firstByteCount = 1024

    /// Position of the first event.
    public let firstPosition: Int
    /// The epoch of all its events.
    public let epoch: Int
    /// Bytes of the log before the page.
    let startOffset: Int
    /// Size in memory, in bytes.
    public let capacity: Int
    private let memory: UnsafeMutableRawPointer

    // Only for the loop that appends:

    /// Bytes of its events.
    public private(set) var used: Int
    /// Number of its events.
    public private(set) var count: Int
    /// The responses and items that its events refer to. Replaced when it grows: an older value still has everything that older
    /// events need.
    public private(set) var references: PageReferences

    /// An empty page.
    init(firstPosition: Int, epoch: Int, startOffset: Int, capacity: Int) {
        self.firstPosition = firstPosition
        self.epoch = epoch
        self.startOffset = startOffset
        self.capacity = capacity
        memory = .allocate(byteCount: capacity, alignment: 8)
        LargeMemory.willFill(memory, byteCount: capacity)
        used = 0
        count = 0
        references = PageReferences()
    }

    /// A page of stored events.
    /// - Parameters:
    ///   - epoch: the epoch of all of them.
    ///   - bytes: complete events.
    ///   - count: the expected number of events.
    /// - Throws: ``MalformedEvent`` for anything else.
    public init(
        firstPosition: Int, epoch: Int = 0, startOffset: Int = 0, stored bytes: UnsafeRawBufferPointer, count: Int
    ) throws(MalformedEvent) {
        var found = 0
        var position = 0
        while position < bytes.count {
            position = try EncodedEvent(bytes, at: position).end
            found += 1
        }
        guard found == count, firstPosition > 0, count > 0, firstPosition <= .max - count else { throw MalformedEvent() }
        self.firstPosition = firstPosition
        self.epoch = epoch
        self.startOffset = startOffset
        capacity = bytes.count
        memory = .allocate(byteCount: bytes.count, alignment: 8)
        memory.copyMemory(from: bytes.baseAddress ?? UnsafeRawPointer(memory), byteCount: bytes.count)
        used = bytes.count
        self.count = count
        references = PageReferences()
    }

    deinit { memory.deallocate() }

    /// Position of the last event.
    public var lastPosition: Int { firstPosition + count - 1 }
    /// Bytes left for events.
    var room: Int { capacity - used }
    /// Bytes of the log up to the end of the page.
    var endOffset: Int { startOffset + used }

    /// The bytes of all events; valid as long as the page is retained.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: used) }

    /// The bytes of events that were appended before.
    @inline(__always)
    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory + range.lowerBound, count: range.count)
    }

    /// The bytes up to a former end: for readers on other loops.
    @inline(__always)
    func bytes(upTo end: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: end) }

    /// Appends an event that `write` writes.
    /// - Precondition: `byteCount` is at most ``room``.
    @inline(__always)
    func append(byteCount: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
        // number-safe: the log checks the room first
        precondition(byteCount <= room)
        write(memory + used)
        used += byteCount
        count += 1
    }

    /// Adds the response and item that an event refers to.
    @inline(__always)
    func refer(to response: ResponseHeader, _ item: ResponseItem?) {
        if references.holds(response, item) { return }
        references = references.adding(response, item)
    }

    /// The offset of the event with this position. O(n) in the events before it.
    func offset(of position: Int) -> Int {
        var offset = 0
        var skipped = firstPosition
        let bytes = bytes
        while skipped < position, offset < bytes.count {
            guard let length = Varint.read(bytes, &offset) else { return used }
            offset += length
            skipped += 1
        }
        return offset
    }

    /// Resolves the references of a stored page's events.
    /// - Parameters:
    ///   - response: looks up a response by its ordinal; nil if it is unknown, and its events then have none.
    public func resolve(_ response: (_ ordinal: Int) -> ResponseHeader?) {
        var offset = 0
        let bytes = bytes
        while offset < bytes.count, let event = try? EncodedEvent(bytes, at: offset) {
            offset = event.end
            for ordinal in event.responses(in: bytes) {
                guard let header = response(ordinal) else { continue }
                refer(to: header, item(of: event, header))
            }
        }
    }

    private func item(of event: EncodedEvent, _ header: ResponseHeader) -> ResponseItem? {
        if event.item < 0 { return nil }
        if let known = header.item(at: event.item) { return known }
        // Items of an unfinished response are known once they have been announced.
        guard event.kind == EventKind.outputItemAdded.rawValue, header.ending == nil else { return nil }
        var parts = EventParts(bytes(event.body))
        let announced = ResponseItem(index: event.item, &parts)
        header.add(announced)
        return announced
    }

    /// Ordinals of the responses that its events belong to or name.
    public var responseOrdinals: Set<Int> {
        var ordinals: Set<Int> = []
        var offset = 0
        let bytes = bytes
        while offset < bytes.count, let event = try? EncodedEvent(bytes, at: offset) {
            offset = event.end
            ordinals.formUnion(event.responses(in: bytes))
        }
        return ordinals
    }
}

/// The responses and output items that a page's events refer to. Immutable.
public final class PageReferences: Sendable {
    struct Entry: Sendable {
        let response: ResponseHeader
        /// Nil for the response itself.
        let item: ResponseItem?
    }

    private let entries: [Entry]

    init() { entries = [] }

    private init(_ entries: [Entry]) { self.entries = entries }

    /// A page rarely refers to more than three or four responses: the newest are tried first.
    @inline(__always)
    func response(_ ordinal: Int) -> Unmanaged<ResponseHeader>? {
        for entry in entries.reversed() where entry.response.ordinal == ordinal { return .passUnretained(entry.response) }
        return nil
    }

    @inline(__always)
    func item(_ index: Int, of ordinal: Int) -> Unmanaged<ResponseItem>? {
        for entry in entries.reversed() where entry.response.ordinal == ordinal {
            if let item = entry.item, item.index == index { return .passUnretained(item) }
        }
        return nil
    }

    @inline(__always)
    func holds(_ response: ResponseHeader, _ item: ResponseItem?) -> Bool {
        for entry in entries.reversed() where entry.response === response && (item == nil || entry.item === item) { return true }
        return false
    }

    func adding(_ response: ResponseHeader, _ item: ResponseItem?) -> PageReferences {
        PageReferences(entries + [Entry(response: response, item: item)])
    }
}

/// Events of one page, to be read on any loop.
public struct PageRun: Sendable {
    let page: LogPage
    let references: PageReferences
    /// Offset of the next event.
    private(set) var offset: Int
    /// Offset of the end of the last event.
    private(set) var end: Int
    /// Position of the event before the next.
    private(set) var position: Int
    /// Position of the first event that a merged one stands for.
    private let mergedFrom: Int?
    /// Whether other readers of the same loop and vocabulary get its events, too.
    private let isShared: Bool

    /// A run of one event.
    public init(_ event: SessionEvent) {
        isShared = event.isShared
        mergedFrom = event.mergedFrom
        page = event.page
        references = event.references
        offset = event.offset
        end = event.end
        position = event.position - 1
    }

    /// Bytes of the remaining events.
    public var byteCount: Int { end - offset }
    /// Whether no events remain.
    public var isEmpty: Bool { offset >= end }

    /// Adds the next event; false if it is on another page or does not follow, or refers to something newer.
    public mutating func extend(with event: SessionEvent) -> Bool {
        guard event.page === page, event.offset == end, event.references === references, event.mergedFrom == nil,
            mergedFrom == nil, event.isShared == isShared
        else { return false }
        end = event.end
        return true
    }

    /// The next event of a known kind; nil at the end.
    public mutating func next() -> SessionEvent? {
        while offset < end, let encoded = try? EncodedEvent(page.bytes(upTo: end), at: offset) {
            var event = SessionEvent(page, references, at: offset, upTo: end, position: position + 1)
            event?.mergedFrom = mergedFrom
            event?.isShared = isShared
            offset = encoded.end
            position += 1
            if let event { return event }
        }
        offset = end
        return nil
    }
}

extension [LogPage] {
    /// The events of the pages between two positions.
    public func events(after position: Int, upTo last: Int) -> [SessionEvent] {
        var events: [SessionEvent] = []
        for page in self where page.lastPosition > position && page.firstPosition <= last {
            var run = PageRun(page)
            while let event = run.next() { if event.position > position, event.position <= last { events.append(event) } }
        }
        return events
    }
}

extension PageRun {
    /// All events of a page.
    init(_ page: LogPage) {
        self.page = page
        references = page.references
        mergedFrom = nil
        isShared = false
        offset = 0
        end = page.used
        position = page.firstPosition - 1
    }
}
