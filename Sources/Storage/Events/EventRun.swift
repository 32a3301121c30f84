import JSON
import Sessions

/// Consecutive events of one session on their way to the store, in the log's page where they were appended.
struct EventRun: Sendable {
    let session: Int
    /// Sequence number of the first.
    let first: Int
    private(set) var count = 1
    private(set) var bytes: PageBytes
    /// Whether a response ends in it, after which its session is likely to be quiet.
    private(set) var endsResponse: Bool
    /// Whether one of them belongs to a response, which then is being made: its session's pages are in memory anyway.
    private(set) var isOfResponse: Bool

    init(_ event: SessionEvent, session: Int) {
        self.session = session
        first = event.position
        bytes = PageBytes(event)
        endsResponse = event.kind.isTerminal
        isOfResponse = event.responseSequence >= 0
    }

    var last: Int { first + count - 1 }

    /// Takes the event in if it is the next one, and stands behind these.
    mutating func extend(with event: SessionEvent) -> Bool {
        guard event.position == last + 1, bytes.extend(with: event) else { return false }
        count += 1
        if event.kind.isTerminal { endsResponse = true }
        if event.responseSequence >= 0 { isOfResponse = true }
        return true
    }
}

/// Consecutive events of one session by themselves: a row of `event_chunks`, or what will become one.
struct EventChunk: Sendable {
    var session: Int
    /// Sequence number of the first.
    var first: Int
    /// Sequence number of the last; `first - 1` for none.
    var last: Int
    /// As the log's pages have them.
    var bytes: [UInt8]

    var count: Int { last - first + 1 }

    /// Events after which a chunk is written, and bytes of them. Who reads a page of a log reads chunks whole.
    static let maxCount = 1024
    static let maxByteCount = 32 << 10

    var isFull: Bool { count >= Self.maxCount || bytes.count >= Self.maxByteCount }

    init(session: Int, first: Int, last: Int, bytes: [UInt8]) {
        self.session = session
        self.first = first
        self.last = last
        self.bytes = bytes
    }

    /// An empty one.
    init(session: Int, first: Int) {
        self.init(session: session, first: first, last: first - 1, bytes: [])
    }

    /// The same events as a page of the log, without what they refer to.
    /// - Parameters:
    ///   - epochs: of the log. A chunk lies within one: at the start, when one may begin, the tail is divided into chunks.
    ///   - startOffset: bytes of the log before it.
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

    /// The same events in chunks of usual size.
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
