import Glibc

/// One request, as listed by `GET /requests`.
final class RehearsalRecord {
    enum State: String {
        case active, completed, aborted, failed
    }

    let id: String
    let model: String
    let dialect: RehearsalDialect
    let isStream: Bool
    /// The newest messages that fit the limit, verbatim, including directives.
    let messages: [RehearsalConversation.Message]
    let byteCount: Int
    var tokensSent = 0
    var state = State.active
    /// Times are in nanoseconds of CLOCK_MONOTONIC.
    let startedNanoseconds: Int64
    var firstTokenNanoseconds: Int64?
    var endedNanoseconds: Int64?

    init(
        id: String, model: String, dialect: RehearsalDialect, isStream: Bool, conversation: RehearsalConversation,
        startedNanoseconds: Int64
    ) {
        self.id = id
        self.model = model
        self.dialect = dialect
        self.isStream = isStream
        self.startedNanoseconds = startedNanoseconds
        var left = RehearsalRequestLog.maxRequestBytes
        // The newest messages matter most.
        let retained = conversation.messages.reversed().map { message in
            let text = Self.bounded(message.text, byteCount: left)
            left -= text.utf8.count
            return RehearsalConversation.Message(role: Self.bounded(message.role, byteCount: 64), text: text)
        }
        messages = retained.reversed()
        byteCount = RehearsalRequestLog.maxRequestBytes - left
    }

    func contains(_ text: String) -> Bool {
        messages.contains { message in
            var haystack = message.text
            var needle = text
            return haystack.withUTF8 { haystack in
                needle.withUTF8 { needle in
                    Self.contains(UnsafeRawBufferPointer(haystack), UnsafeRawBufferPointer(needle))
                }
            }
        }
    }

    private static func contains(_ haystack: UnsafeRawBufferPointer, _ needle: UnsafeRawBufferPointer) -> Bool {
        guard let first = needle.first else { return true }
        guard haystack.count >= needle.count, let start = haystack.baseAddress, let wanted = needle.baseAddress else {
            return false
        }
        var position = 0
        while let found = memchr(start + position, Int32(first), haystack.count - needle.count + 1 - position) {
            if memcmp(found, wanted, needle.count) == 0 { return true }
            position = UnsafeRawPointer(found) - start + 1
        }
        return false
    }

    /// A prefix of the text that ends between characters.
    private static func bounded(_ text: String, byteCount: Int) -> String {
        if text.utf8.count <= byteCount { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: max(0, byteCount))
        while end > text.startIndex, end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}

/// The most recent requests, in memory only.
struct RehearsalRequestLog {
    static let maxRequests = 1024
    /// Bytes of message text retained per request.
    static let maxRequestBytes = 256 << 10
    /// Bytes of message text retained for all requests; the oldest are dropped first.
    static let maxBytes = 16 << 20

    private var records: [RehearsalRecord] = []
    /// Index of the oldest retained record.
    private var first = 0
    private var byteCount = 0

    mutating func append(_ record: RehearsalRecord) {
        records.append(record)
        byteCount += record.byteCount
        while records.count - first > Self.maxRequests || byteCount > Self.maxBytes {
            byteCount -= records[first].byteCount
            first += 1
        }
        // Compacted rarely, to make it cheap.
        if first >= Self.maxRequests || byteCount > Self.maxBytes / 2, first > 0 {
            records.removeFirst(first)
            first = 0
        }
    }

    mutating func removeAll() { self = RehearsalRequestLog() }

    /// The newest matching records first.
    func newest(_ limit: Int, containing text: String?) -> [RehearsalRecord] {
        var found: [RehearsalRecord] = []
        for record in records[first...].reversed() {
            if found.count >= limit { break }
            if text.map(record.contains) ?? true { found.append(record) }
        }
        return found
    }
}
