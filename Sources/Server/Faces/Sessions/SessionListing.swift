import Bytes
import JSON
import Network
import Sessions

/// A page of the caller's sessions, newest first, gathered from the loops that they live on.
final class SessionListing {
    private let call: Call
    private let page: ArraySlice<SessionReference>
    private let hasMore: Bool
    /// The sessions by their place in the page; one that was deleted meanwhile has none.
    private var entries: [Int: [UInt8]] = [:]
    private var missing: Int

    init(_ call: Call, limit: Int, after: String?) {
        self.call = call
        var rest = call.context.directory.sessions(owner: call.owner)[...]
        if let after, let index = rest.firstIndex(where: { $0.id == after }) { rest = rest[(index + 1)...] }
        page = rest.prefix(limit)
        hasMore = rest.count > page.count
        missing = page.count
    }

    func start() {
        if page.isEmpty { answer() }
        for (index, reference) in page.enumerated() {
            reference.perform(from: call.loop) { session -> [UInt8]? in
                if session.isClosed { return nil }
                var buffer = ByteBuffer()
                buffer.appendJSONObject { object in
                    session.writeSummary(to: &object)
                    object.field("last_sequence_number", session.log.lastSequence)
                }
                return buffer.array
            } then: { entry in
                self.entries[index] = entry
                self.missing -= 1
                if self.missing == 0 { self.answer() }
            }
        }
    }

    private func answer() {
        call.respond { list in
            list.field("object", "list")
            list.array("data") { data in
                for index in 0..<page.count { entries[index]?.withUnsafeBytes { data.element(json: $0) } }
            }
            list.field("first_id", page.first?.id)
            list.field("last_id", page.last?.id)
            list.field("has_more", hasMore)
        }
    }
}
