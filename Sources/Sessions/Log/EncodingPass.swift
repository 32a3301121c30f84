public import Bytes

/// Encodes an event once for all readers of a vocabulary that get it on one loop. Loop-confined, one for each loop and vocabulary.
///
/// Readers on the session's loop get an event one after the other. Those on another loop get a batch of events each: the encodings
/// of the last events are retained for the next reader's batch.
///
/// Inlinable, so that each face specializes it for its encoder: it runs for every token and reader.
public final class EncodingPass<Encoder: EventEncoder> {
    /// The encodings of the ``recent`` events, one after the other.
    @usableFromInline var scratch = ByteBuffer()
    @usableFromInline var recent = RecentEvents()

    /// Maximum size of the scratch buffer between events, in bytes.
    @inlinable static var idleByteCount: Int { 16 << 10 }

    /// A pass without an encoded event.
    @inlinable public init() {}

    /// Appends the event: for a single reader directly to its output, otherwise through the scratch buffer.
    @inlinable @inline(__always)
    public func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        guard event.isShared else { return Encoder.append(event, to: &output) }
        output.append(bytes(of: event))
    }

    /// The encoded event, valid until the next call.
    @inlinable
    public func bytes(of event: SessionEvent) -> UnsafeRawBufferPointer {
        if event.isShared, let range = recent.find(event) { return UnsafeRawBufferPointer(rebasing: scratch.bytes[range]) }
        if !event.isShared || recent.isFull || scratch.count >= Self.idleByteCount {
            recent.clear()
            scratch.clear(keepingCapacity: Self.idleByteCount * 2)
        }
        let start = scratch.count
        Encoder.append(event, to: &scratch)
        if event.isShared { recent.append(event, start..<scratch.count) }
        return UnsafeRawBufferPointer(rebasing: scratch.bytes[start...])
    }
}

/// The events whose encodings a pass has in its scratch buffer, and the last one that was requested.
@usableFromInline
struct RecentEvents {
    private struct Entry {
        /// Index of its page in ``pages``.
        let page: Int
        /// Offset of the event in the page.
        let offset: Int
        let range: Range<Int>
    }

    private static let maxCount = 256
    /// Maximum number of pages; they may be retained for this alone.
    private static let maxPageCount = 4

    private var entries: [Entry] = []
    /// Retained, so that no new page gets the identity of one of them.
    private var pages: [LogPage] = []
    private var last = 0

    @usableFromInline init() {}

    var pageCount: Int { pages.count }
    /// Whether it must be cleared before another event is added.
    @usableFromInline var isFull: Bool { entries.count >= Self.maxCount || pages.count >= Self.maxPageCount }

    @usableFromInline
    mutating func clear() {
        if entries.isEmpty { return }
        entries.removeAll(keepingCapacity: true)
        pages.removeAll(keepingCapacity: true)
        last = 0
    }

    /// The range of an event's encoding: that of the last one or the next one, unless another reader's batch begins.
    @usableFromInline
    mutating func find(_ event: SessionEvent) -> Range<Int>? {
        if last < entries.count, isSame(entries[last], event) { return entries[last].range }
        if last + 1 < entries.count, isSame(entries[last + 1], event) {
            last += 1
            return entries[last].range
        }
        guard let newest = entries.last, let page = pages.firstIndex(where: { $0 === event.page }),
            page != newest.page || event.offset < newest.offset,
            let index = entries.firstIndex(where: { $0.page == page && $0.offset == event.offset })
        else { return nil }
        last = index
        return entries[index].range
    }

    @usableFromInline
    mutating func append(_ event: SessionEvent, _ range: Range<Int>) {
        if pages.last !== event.page { pages.append(event.page) }
        last = entries.count
        entries.append(Entry(page: pages.count - 1, offset: event.offset, range: range))
    }

    private func isSame(_ entry: Entry, _ event: SessionEvent) -> Bool {
        entry.offset == event.offset && pages[entry.page] === event.page
    }
}
