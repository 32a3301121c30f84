import JSON
import Sessions

/// Consecutive events of one session on their way to the store, still in the log's page to which they were appended.
struct EventRun: Sendable {
    let session: Int
    /// Sequence number of the first event.
    let first: Int
    private(set) var count = 1
    private(set) var bytes: PageBytes
    /// Whether a response ends in the run; its session is likely to be quiet afterwards.
    private(set) var endsResponse: Bool
    /// Whether an event belongs to a response; while one is being generated, the session's pages are in memory anyway.
    private(set) var isOfResponse: Bool

    init(_ event: SessionEvent, session: Int) {
        self.session = session
        first = event.position
        bytes = PageBytes(event)
        endsResponse = event.kind.isTerminal
        isOfResponse = event.responseSequence >= 0
    }

    var last: Int { first + count - 1 }

    /// Adds the event if it is the next one and directly follows the run in memory.
    mutating func extend(with event: SessionEvent) -> Bool {
        guard event.position == last + 1, bytes.extend(with: event) else { return false }
        count += 1
        if event.kind.isTerminal { endsResponse = true }
        if event.responseSequence >= 0 { isOfResponse = true }
        return true
    }
}

/// Consecutive events of one session in a buffer of their own: a row of `event_chunks`, or a future one.
struct EventChunk: Sendable {
    var session: Int
    /// Sequence number of the first event.
    var first: Int
    /// Sequence number of the last event; `first - 1` if empty.
    var last: Int
    /// Encoded as in the log's pages.
    var bytes: [UInt8]

    var count: Int { last - first + 1 }

    /// Number of events, and bytes, at which a chunk is written. A reader of a log page reads chunks whole.
    static let maxCount = 1024
    static let maxByteCount = 32 << 10

    var isFull: Bool { count >= Self.maxCount || bytes.count >= Self.maxByteCount }

    init(session: Int, first: Int, last: Int, bytes: [UInt8]) {
        self.session = session
        self.first = first
        self.last = last
        self.bytes = bytes
    }

    /// An empty chunk.
    init(session: Int, first: Int) {
        self.init(session: session, first: first, last: first - 1, bytes: [])
    }

    /// The same events as a page of the log, with references unresolved.
    /// - Parameters:
    ///   - epochs: the log's epochs. A chunk lies within one: an epoch can begin only at the start, which divides the tail into
    ///     chunks.
    ///   - startOffset: bytes of the log that precede the page.
    func page(_ epochs: LogEpochs, startOffset: Int = 0) throws -> LogPage {
        do {
            return try bytes.withUnsafeBytes { bytes throws(MalformedEvent) in
                try LogPage(
                    firstPosition: first, epoch: epochs.epoch(of: first), startOffset: startOffset, stored: bytes, count: count)
            }
        } catch {
            throw MalformedRecord(record: "event")
        }
    }

    /// The same events in chunks of the usual size.
    func divided() throws -> [EventChunk] {
        if bytes.count <= 2 * Self.maxByteCount, count <= 4 * Self.maxCount { return [self] }
        var chunks: [EventChunk] = []
        try bytes.withUnsafeBytes { bytes in
            var decoder = EventDecoder(bytes)
            var chunk = EventChunk(session: session, first: first)
            var start = 0
            for sequence in first...last {
                try decoder.skipEvent()
                chunk.last = sequence
                let length = decoder.position - start
                guard sequence == last || length >= Self.maxByteCount || chunk.count >= Self.maxCount else { continue }
                chunk.bytes = [UInt8](bytes[start..<decoder.position])
                chunks.append(chunk)
                chunk = EventChunk(session: session, first: sequence + 1)
                start = decoder.position
            }
        }
        return chunks
    }
}
