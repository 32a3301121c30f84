public import JSON

/// A conversation that is written to beside what is said in it: the Conversations API.
extension Session {
    /// Takes items into the conversation, without asking a model.
    /// - Parameter encoded: the same items, where they are large.
    public func add(_ new: [Item], encoded: EncodedItems? = nil) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try checkIdentifiers(of: new, keepsActive: true)
        try checkResults(in: new, keepsActive: true)
        guard conversationByteCount + new.reduce(0, { $0 + $1.byteCount }) <= limits.maxConversationBytes else {
            throw .conversationTooLarge(limitBytes: limits.maxConversationBytes)
        }
        if new.isEmpty { return }
        remember(new)
        if let json = encoded?.take() {
            json.withUnsafeBytes { append(.itemsAdded, json: $0) { _ in } }
        } else {
            append(.itemsAdded) { body in body.append(json: { $0.appendJSON(new) }) }
        }
    }

    /// An identifier stands once in a conversation, in what waits to come into it and in what is being said: by it items are paged
    /// through, deleted and withdrawn. Those that clients hand back with an input, where the conversation has them, are refused.
    func checkIdentifiers(of new: [Item], keepsActive: Bool) throws(SessionError) {
        var ids = Set<String>(minimumCapacity: new.count)
        for item in new where !ids.insert(item.id).inserted { throw .duplicateItem(id: item.id) }
        for item in items where ids.contains(item.id) { throw .duplicateItem(id: item.id) }
        for waiting in queued { for item in waiting.input where ids.contains(item.id) { throw .duplicateItem(id: item.id) } }
        guard keepsActive, let active else { return }
        for item in active.items where ids.contains(item.id) { throw .duplicateItem(id: item.id) }
    }

    /// Refuses a tool's result whose call is nowhere: no upstream takes one, and left out it would be lost without a word.
    func checkResults(in new: [Item], keepsActive: Bool) throws(SessionError) {
        guard new.contains(where: \.isToolResult) else { return }
        var before = items
        // Of what is being said and of what waits, too: a client may answer a call before the response has ended.
        if keepsActive, let active { before += active.items.filter { $0.closedAs == .completed }.map(\.item) }
        before += queued.flatMap(\.input)
        let pairs = ToolPairs(before + new)
        guard let orphan = pairs.orphans.first(where: { $0 >= before.count }) else { return }
        let index = orphan - before.count
        throw .resultWithoutCall(callID: new[index].body["call_id"]?.string ?? "", index: index)
    }

    /// Takes an item out of the conversation: no response that comes reads it. The log keeps its events.
    /// - Returns: false if there is no such item.
    public func deleteItem(_ id: String) -> Bool {
        guard !isClosed, let index = items.lastIndex(where: { $0.id == id }) else { return false }
        let byteCount = items[index].byteCount
        items.remove(at: index)
        conversationByteCount -= byteCount
        onAppend?(-byteCount)
        log.store(.itemDeleted(position: index))
        // Branches begin where they did.
        for generation in generations {
            guard let count = generation.conversationItemCount, count > index else { continue }
            generation.conversationItemCount = count - 1
            log.store(.response(GenerationRecord(generation)))
        }
        append(.itemsDeleted) { body in
            body.append(optional: nil)
            body.append(itemIDs: [id])
        }
        return true
    }

    /// Gives the session other metadata.
    public func setMetadata(_ new: JSONValue) {
        countSettings(new.approximateByteCount - metadata.approximateByteCount)
        metadata = new
        log.store(.metadata(new))
    }
}
