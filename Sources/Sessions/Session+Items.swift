public import JSON

/// A conversation that is written to beside what is said in it: the Conversations API.
extension Session {
    /// Takes items into the conversation, without asking a model.
    /// - Parameter encoded: the same items, where they are large.
    public func add(_ new: [Item], encoded: EncodedItems? = nil) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try checkIdentifiers(of: new, keepsActive: true)
        try checkResults(in: new, keepsActive: true)
        try conversation.checkRoom(for: new)
        if new.isEmpty { return }
        conversation.append(new)
        if let json = encoded?.take() {
            json.withUnsafeBytes { writer.append(.itemsAdded, json: $0) { _ in } }
        } else {
            writer.append(.itemsAdded) { body in body.append(json: { $0.appendJSON(new) }) }
        }
    }

    /// See ``Conversation/checkIdentifiers(of:besides:)``.
    /// - Parameter keepsActive: whether what is being said stays in the conversation.
    func checkIdentifiers(of new: [Item], keepsActive: Bool) throws(SessionError) {
        let waiting = queue.waiting.lazy.flatMap { $0.input.lazy.map(\.id) }
        try conversation.checkIdentifiers(of: new, besides: waiting)
        guard keepsActive, let active else { return }
        try conversation.checkIdentifiers(of: new, besides: active.draft.items.lazy.map(\.id))
    }

    /// See ``Conversation/checkResults(in:behind:)``.
    func checkResults(in new: [Item], keepsActive: Bool) throws(SessionError) {
        // Of what is being said and of what waits, too: a client may answer a call before the response has ended.
        let said = keepsActive ? active?.draft.items ?? [] : []
        try conversation.checkResults(
            in: new, behind: said.filter { $0.closedAs == .completed }.map(\.item) + queue.waiting.flatMap(\.input))
    }

    /// Takes an item out of the conversation: no response that comes reads it. The log keeps its events.
    /// - Returns: false if there is no such item.
    public func deleteItem(_ id: String) -> Bool {
        guard !isClosed, let index = conversation.delete(id) else { return false }
        queue.itemDeleted(at: index)
        writer.append(.itemsDeleted) { body in
            body.append(optional: nil)
            body.append(itemIDs: [id])
        }
        return true
    }

    /// Gives the session other metadata.
    public func setMetadata(_ new: JSONValue) {
        memory.changed(by: new.approximateByteCount - metadata.approximateByteCount)
        record.metadata = new
        log.store(.metadata(new))
    }
}
