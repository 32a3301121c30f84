import Bytes
import JSON

/// The state of a session as of one iteration of its loop: the contents of `GET /v1/sessions/{id}`, to be encoded on any thread.
///
/// The conversation is shared, not copied; the current output is encoded at once, since it changes.
public struct SessionState: Sendable {
    /// Size in bytes from which on conversations are encoded off the loop.
    private static let leastLargeByteCount = 64 << 10

    let record: SessionRecord
    /// Position of the last event included.
    public let lastPosition: LogPosition
    let oldestSequence: Int
    let items: [Item]
    let queued: [(id: String, input: [Item])]
    let participants: [Participant]
    /// The items of the current output, each as JSON.
    let openItems: [[UInt8]]
    let activeResponse: [UInt8]?
    /// Whether encoding would block a loop for too long.
    public let isLarge: Bool

    init(
        _ record: SessionRecord, _ log: SessionLog, _ conversation: Conversation, _ queue: ResponseQueue,
        participants: [Participant]
    ) {
        self.record = record
        self.participants = participants
        lastPosition = log.end
        oldestSequence = log.oldestPosition
        items = conversation.items
        queued = queue.waiting.map { ($0.id, $0.input) }
        openItems = queue.active?.draft.items.map { item in Self.encoded(item.item.json) } ?? []
        activeResponse = queue.active.map { active in Self.encoded { active.write(to: &$0) } }
        // Counted twice, since the response also contains its items.
        let runningByteCount = openItems.reduce(activeResponse?.count ?? 0) { $0 + $1.count }
        isLarge = conversation.byteCount + queue.waitingByteCount + runningByteCount >= Self.leastLargeByteCount
    }

    /// A state that was decoded.
    init(
        _ record: SessionRecord, _ lastPosition: LogPosition, oldestSequence: Int, items: [Item],
        queued: [(id: String, input: [Item])], participants: [Participant], openItems: [[UInt8]], activeResponse: [UInt8]?,
        isLarge: Bool
    ) {
        self.record = record
        self.lastPosition = lastPosition
        self.oldestSequence = oldestSequence
        self.items = items
        self.queued = queued
        self.participants = participants
        self.openItems = openItems
        self.activeResponse = activeResponse
        self.isLarge = isLarge
    }

    /// The state as JSON; not on a loop if it is large.
    public var json: [UInt8] { Self.encoded { write(to: &$0) } }

    private static func encoded(_ json: JSONValue) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSON(json)
        return buffer.array
    }

    private static func encoded(_ body: (inout JSONObjectWriter) -> Void) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject(body)
        return buffer.array
    }

    private func write(to writer: inout JSONObjectWriter) {
        record.write(isGenerating: activeResponse != nil, to: &writer)
        writer.field("last_sequence_number", lastPosition.sequence)
        writer.field(epochOf: lastPosition)
        writer.field("oldest_sequence_number", oldestSequence)
        writer.array("items") { list in
            for item in items { list.element(item.json) }
            for item in openItems { item.withUnsafeBytes { list.element(json: $0) } }
        }
        if let activeResponse {
            activeResponse.withUnsafeBytes { writer.field("active_response", json: $0) }
        } else {
            writer.null("active_response")
        }
        writer.array("queued") { list in
            for (id, input) in queued {
                list.object {
                    $0.field("response_id", id)
                    $0.array("items") { for item in input { $0.element(item.json) } }
                }
            }
        }
        writer.array("participants") { list in
            for participant in participants { list.object { participant.write(to: &$0) } }
        }
    }
}
