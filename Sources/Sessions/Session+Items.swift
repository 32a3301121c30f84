import Bytes
public import JSON

/// Edits the conversation without generating responses: the Conversations API.
extension Session {
    /// Appends items to the conversation without a response. They precede the current output and the waiting inputs, so that no
    /// result among them can answer a call in those.
    /// - Parameter encoded: the same items, if they are large.
    public func add(_ new: [Item], encoded: EncodedItems? = nil) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try checkIdentifiers(of: new, keepsActive: true)
        try conversation.checkResults(in: new, insertedAt: conversation.items.count)
        try conversation.checkRoom(for: new)
        if new.isEmpty { return }
        conversation.append(new)
        if let json = encoded?.take() {
            json.withUnsafeBytes { writer.append(.itemsAdded, json: $0) { _ in } }
        } else {
            writer.append(.itemsAdded) { body in body.append(json: { $0.appendJSON(new) }) }
        }
        queue.cancelWaitingResultsWithoutCall()
    }

    /// Inserts items into the conversation without a response. The current output is not part of it until the response has ended.
    /// - Parameters:
    ///   - previousID: identifier of the preceding item; nil inserts at the beginning.
    ///   - encoded: the same items, if they are large.
    /// - Throws: ``SessionError/itemNotFound(_:)`` if the conversation does not have the preceding item, and the errors of
    ///   ``add(_:encoded:)``.
    public func insert(_ new: [Item], after previousID: String?, encoded: EncodedItems? = nil) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard let index = conversation.index(behind: previousID) else { throw .itemNotFound(previousID ?? "") }
        try checkIdentifiers(of: new, keepsActive: true)
        try conversation.checkResults(in: new, insertedAt: index)
        try conversation.checkRoom(for: new)
        if new.isEmpty { return }
        conversation.insert(new, at: index)
        queue.itemsMoved(at: index, by: new.count)
        if let json = encoded?.take() {
            json.withUnsafeBytes { writer.append(.itemsInserted, json: $0) { $0.append(optional: previousID) } }
        } else {
            writer.append(.itemsInserted) { body in
                body.append(json: { $0.appendJSON(new) })
                body.append(optional: previousID)
            }
        }
        queue.cancelWaitingResultsWithoutCall()
    }

    /// Replaces the item with the same identifier: a user's speech, for example, by its transcript.
    /// - Throws: ``SessionError/itemNotFound(_:)``, ``SessionError/conversationTooLarge(limitBytes:)``, and
    ///   ``SessionError/resultWithoutCall(callID:index:)`` if a tool result would be separated from its call.
    public func replace(with item: Item) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try conversation.checkReplacement(item)
        conversation.replace(with: item)
        writer.append(.itemReplaced) { body in body.append(json: { $0.appendJSON(item.json) }) }
        queue.cancelWaitingResultsWithoutCall()
    }

    /// Truncates a message of the conversation to what was heard of it; later responses read only that. Signatures and annotations
    /// of the whole text are removed. No effect, and no event, if the text is not longer.
    /// - Returns: the truncated message.
    /// - Throws: ``SessionError/itemNotFound(_:)``, and ``SessionError/itemNotTruncatable(_:)`` for an item other than a message.
    public func truncate(_ command: SessionCommand.Truncate) throws(SessionError) -> Item {
        if isClosed { throw .sessionClosed }
        guard let item = conversation.item(command.itemID) else { throw .itemNotFound(command.itemID) }
        guard item.type == "message" else { throw .itemNotTruncatable(item.id) }
        guard let cut = conversation.truncate(item.id, toUTF8Count: max(0, command.utf8Count)) else { return item }
        writer.append(.itemTruncated) { body in
            body.append(json: { $0.appendJSON(cut.json) })
            // 0 means none.
            body.append(varint: command.audioEndMilliseconds.map { max(0, $0).saturatingAdding(1) } ?? 0)
        }
        return cut
    }

    /// See ``Conversation/checkIdentifiers(of:besides:)``.
    /// - Parameter keepsActive: whether the current output stays in the conversation.
    func checkIdentifiers(of new: [Item], keepsActive: Bool) throws(SessionError) {
        let waiting = queue.waiting.flatMap { $0.input.map(\.id) }
        let said = keepsActive ? active?.draft.items.map(\.id) ?? [] : []
        try conversation.checkIdentifiers(of: new, besides: waiting + said)
    }

    /// Deletes an item from the conversation: later responses do not read it. Its events stay in the log. A waiting input with the
    /// result of a deleted call is cancelled.
    /// - Returns: false if there is no such item.
    public func deleteItem(_ id: String) -> Bool {
        guard !isClosed, let index = conversation.delete(id) else { return false }
        queue.itemsMoved(at: index, by: -1)
        writer.append(.itemsDeleted) { body in
            body.append(optional: nil)
            body.append(itemIDs: [id])
        }
        queue.cancelWaitingResultsWithoutCall()
        return true
    }

    /// Replaces the session's metadata.
    public func setMetadata(_ new: JSONValue) {
        memory.changed(by: new.approximateByteCount - metadata.approximateByteCount)
        record.metadata = new
        log.store(.metadata(new))
    }
}
