import Bytes
import JSON
import Synchronization

/// Items as the log holds them, encoded before they come to their session's loop. By reference and for one use.
public final class EncodedItems: Sendable {
    private let json: Mutex<[UInt8]?>

    /// Encodes items: not on a loop where they are large.
    public init(_ items: [Item]) {
        var buffer = ByteBuffer(capacity: items.reduce(64) { $0 + $1.byteCount + 64 })
        buffer.appendJSON(items)
        json = Mutex(buffer.array)
    }

    /// JSON of the items; nil if it was taken before.
    func take() -> [UInt8]? {
        json.withLock { json in
            defer { json = nil }
            return json
        }
    }
}

extension ByteBuffer {
    /// Appends items as a JSON array.
    mutating func appendJSON(_ items: [Item]) {
        appendJSONArray { list in for item in items { list.element(item.json) } }
    }

    /// Appends identifiers of items with their count before them.
    mutating func append(itemIDs: [String]) {
        append(varint: itemIDs.count)
        for id in itemIDs { append(counted: id) }
    }
}
