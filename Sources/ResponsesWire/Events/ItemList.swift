import Bytes
import JSON
package import Sessions

/// A list of conversation items, as OpenAI's list objects have them. Encode it on any thread.
package struct ItemList: Sendable {
    /// Items of fewer bytes are encoded within a millisecond or two, on a loop as well.
    private static let leastLargeByteCount = 32 << 10

    package let items: [Item]
    package let hasMore: Bool

    /// A complete list.
    package init(_ items: [Item]) { self.init((items, false)) }

    /// A page of a longer list.
    package init(_ page: (items: [Item], hasMore: Bool)) {
        items = page.items
        hasMore = page.hasMore
    }

    /// Whether the list takes longer to encode than a loop should be blocked.
    package var isLarge: Bool { items.reduce(0) { $0 + $1.byteCount } >= Self.leastLargeByteCount }

    package var json: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in for item in items { data.element(item.json) } }
            list.field("first_id", items.first?.id)
            list.field("last_id", items.last?.id)
            list.field("has_more", hasMore)
        }
        return buffer.array
    }
}
