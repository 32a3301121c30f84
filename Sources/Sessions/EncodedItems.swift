import Bytes
import JSON
import Synchronization

/// Items as the event that takes them into a conversation tells of them, encoded before they come to their session's loop.
///
/// By reference and for one use: the event is what was made here and a few members more, and is not copied on the loop.
public final class EncodedItems: Sendable {
    /// Room for the members behind the items; what an interrupted response said may need more.
    private static let roomByteCount = 4096

    private let head: Mutex<[UInt8]?>

    private init(_ type: EventType, _ items: [Item]) {
        var buffer = ByteBuffer(capacity: items.reduce(Self.roomByteCount) { $0 + $1.byteCount + 64 })
        buffer.appendJSONObject { event in
            event.field("type", type.rawValue)
            event.array("items") { list in for item in items { list.element(item.json) } }
        }
        buffer.removeLast(1)
        head = Mutex(buffer.array(room: Self.roomByteCount))
    }

    /// Encodes the items of an input: not on a loop where they are large.
    public static func ofInput(_ items: [Item]) -> EncodedItems { EncodedItems(.inputAccepted, items) }

    /// Encodes items that are added to a conversation: not on a loop where they are large.
    public static func ofAddition(_ items: [Item]) -> EncodedItems { EncodedItems(.itemsAdded, items) }

    /// The event without its closing brace; nil if it was taken before.
    func take() -> [UInt8]? {
        head.withLock { head in
            defer { head = nil }
            return head
        }
    }
}
