import Bytes
import JSON
import Synchronization

/// Items encoded for the log before they reach their session's loop. A reference type, for a single use.
public final class EncodedItems: Sendable {
    private let json: Mutex<[UInt8]?>

    /// Encodes items; off the loop if they are large.
    public init(_ items: [Item]) {
        var buffer = ByteBuffer(capacity: items.reduce(64) { $0 + $1.byteCount + 64 })
        buffer.appendJSON(items)
        json = Mutex(buffer.array)
    }

    /// The items as JSON; nil if already taken.
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

    /// Appends the number of items, then their identifiers.
    mutating func append(itemIDs: [String]) {
        append(varint: itemIDs.count)
        for id in itemIDs { append(counted: id) }
    }
}
