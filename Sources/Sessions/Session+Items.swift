public import JSON

/// A conversation that is written to beside what is said in it: the Conversations API.
extension Session {
    /// Takes items into the conversation, without asking a model.
    public func add(_ new: [Item]) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard conversationByteCount + new.reduce(0, { $0 + $1.byteCount }) <= limits.maxConversationBytes else {
            throw .conversationTooLarge(limitBytes: limits.maxConversationBytes)
        }
        if new.isEmpty { return }
        remember(new)
        append(.itemsAdded) { event in
            event.array("items") { list in for item in new { list.element(item.json) } }
        }
    }

    /// Takes an item out of the conversation: no response that comes reads it. The log keeps its events.
    /// - Returns: false if there is no such item.
    public func deleteItem(_ id: String) -> Bool {
        guard !isClosed, let index = items.lastIndex(where: { $0.id == id }) else { return false }
        let byteCount = items[index].byteCount
        items.remove(at: index)
        conversationByteCount -= byteCount
        onAppend?(-byteCount)
        log.keep(.itemDeleted(position: index))
        // Branches begin where they did.
        for generation in generations {
            guard let count = generation.conversationItemCount, count > index else { continue }
            generation.conversationItemCount = count - 1
            log.keep(.response(GenerationRecord(generation)))
        }
        append(.itemsDeleted) { event in
            event.array("item_ids") { $0.element(id) }
        }
        return true
    }

    /// Gives the session other metadata.
    public func setMetadata(_ new: JSONValue) {
        metadata = new
        log.keep(.metadata(new))
    }
}
