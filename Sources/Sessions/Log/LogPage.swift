import Bytes

/// A piece of a session's log: encoded events, one after the other, the same bytes in memory and on the disk.
///
/// The session's loop appends; what has been appended never changes, so that readers on other loops read it in place: they get a
/// ``PageRun``, which ends where the page ended when it was made. The log, the cursors within it and such runs share a page.
public final class LogPage: @unchecked Sendable {
    /// Bytes of a page of small events. An event that is larger has a page of its own.
    public static let byteCount = 4096
    /// Bytes of a log's first page: most sessions that wait for nothing have few events.
    static let firstByteCount = 1024

    /// Position of the first event.
    public let firstPosition: Int
    /// The epoch of all of its events.
    public let epoch: Int
    /// Bytes of the log before the page.
    let startOffset: Int
    /// Bytes that it takes in memory.
    public let capacity: Int
    private let memory: UnsafeMutableRawPointer

    // Only for the loop that appends:

    /// Bytes of the events in it.
    public private(set) var used: Int
    /// Events in it.
    public private(set) var count: Int
    /// What its events refer to. Replaced when it grows: whoever holds an older one finds there all that its events need.
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

    /// A page of events that were stored.
    /// - Parameters:
    ///   - epoch: of all of them.
    ///   - bytes: whole events.
    ///   - count: how many there must be.
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
    /// Room for events.
    var room: Int { capacity - used }
    /// Bytes of the log up to the end of the page.
    var endOffset: Int { startOffset + used }

    /// The bytes of all events; valid as long as the page is retained.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: used) }

    /// Bytes of events, which were appended before.
    @inline(__always)
    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory + range.lowerBound, count: range.count)
    }

    /// Bytes up to an end that was reached before: for readers on other loops.
    @inline(__always)
    func bytes(upTo end: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: end) }

    /// Appends an event that `write` writes into the room that it gets.
    /// - Precondition: `byteCount` is at most ``room``.
    @inline(__always)
    func append(byteCount: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
        // number-safe: the log asks for the room before
        precondition(byteCount <= room)
        write(memory + used)
        used += byteCount
        count += 1
    }

    /// Takes what an event refers to.
    @inline(__always)
    func refer(to response: ResponseHeader, _ item: ResponseItem?) {
        if references.holds(response, item) { return }
        references = references.adding(response, item)
    }

    /// Where the event with this position begins. O(n) in the events before it.
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

    /// Fills in what the events of a stored page refer to.
    /// - Parameters:
    ///   - response: by its ordinal; nil for one that is not known, whose events then have none.
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
        // Of a response that has not ended, what is announced is known from here on.
        guard event.kind == EventKind.outputItemAdded.rawValue, header.ending == nil else { return nil }
        var parts = EventParts(bytes(event.body))
        let announced = ResponseItem(index: event.item, &parts)
        header.add(announced)
        return announced
    }

    /// Ordinals of the responses that its events are of or name.
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

/// The responses and output items that the events of a page refer to. Immutable.
public final class PageReferences: Sendable {
    struct Entry: Sendable {
        let response: ResponseHeader
        /// nil: the response itself.
        let item: ResponseItem?
    }

    private let entries: [Entry]

    init() { entries = [] }

    private init(_ entries: [Entry]) { self.entries = entries }

    /// A page seldom refers to more than three or four: the newest are looked at first.
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
    /// Where the next event begins.
    private(set) var offset: Int
    /// Where the last event ends.
    private(set) var end: Int
    /// Position of the event before the next.
    private(set) var position: Int
    /// Of a run of one event that stands for others: position of the first of them.
    private let mergedFrom: Int?

    /// A run of one event.
    public init(_ event: SessionEvent) {
        mergedFrom = event.mergedFrom
        page = event.page
        references = event.references
        offset = event.offset
        end = event.end
        position = event.position - 1
    }

    /// Bytes of the events that are left.
    public var byteCount: Int { end - offset }
    public var isEmpty: Bool { offset >= end }

    /// Takes the event that follows; false when it stands elsewhere, or when what it refers to came later.
    public mutating func extend(with event: SessionEvent) -> Bool {
        guard event.page === page, event.offset == end, event.references === references, event.mergedFrom == nil,
            mergedFrom == nil
        else { return false }
        end = event.end
        return true
    }

    /// The next event of a kind that this version knows; nil at the end.
    public mutating func next() -> SessionEvent? {
        while offset < end, let encoded = try? EncodedEvent(page.bytes(upTo: end), at: offset) {
            var event = SessionEvent(page, references, at: offset, upTo: end, position: position + 1)
            event?.mergedFrom = mergedFrom
            offset = encoded.end
            position += 1
            if let event { return event }
        }
        offset = end
        return nil
    }
}

extension [LogPage] {
    /// The events on the pages that stand between two positions.
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
        offset = 0
        end = page.used
        position = page.firstPosition - 1
    }
}
