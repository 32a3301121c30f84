import Bytes
import JSON
package import Sessions

/// A list of conversation items in the form of OpenAI's list objects. May be encoded on any thread.
package struct ItemList: Sendable {
    /// Smaller lists are encoded within a millisecond or two, also on a loop.
    private static let leastLargeByteCount = 32 << 10

    /// The items, in the order of the list.
    package let items: [Item]
    /// Whether more items follow.
    package let hasMore: Bool

    /// A complete list.
    package init(_ items: [Item]) { self.init((items, false)) }

    /// A page of a longer list.
    package init(_ page: (items: [Item], hasMore: Bool)) {
        items = page.items
        hasMore = page.hasMore
    }

    /// Whether encoding would block a loop for too long.
    package var isLarge: Bool { items.reduce(0) { $0 + $1.byteCount } >= Self.leastLargeByteCount }

    /// The list as JSON; not on a loop if it is large.
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
