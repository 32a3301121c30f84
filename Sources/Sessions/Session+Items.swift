import Bytes
public import JSON

/// A conversation that is written to beside what is said in it: the Conversations API.
extension Session {
    /// Takes items into the conversation, without asking a model. They stand before what is being said and before the inputs that
    /// wait, so that no result among them answers a call of those.
    /// - Parameter encoded: the same items, where they are large.
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

    /// Takes items into the conversation behind one that stands in it, without asking a model. What is being said stands in it when
    /// it has ended.
    /// - Parameters:
    ///   - previousID: identifier of the item before them; nil: the beginning of the conversation.
    ///   - encoded: the same items, where they are large.
    /// - Throws: ``SessionError/itemNotFound(_:)`` for an item that the conversation does not have, and what ``add(_:encoded:)``
    ///   throws.
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

    /// Puts an item in the position of the one with its identifier: what was heard of a user's speech, for example, once it is
    /// transcribed.
    /// - Throws: ``SessionError/itemNotFound(_:)``, ``SessionError/conversationTooLarge(limitBytes:)``, and
    ///   ``SessionError/resultWithoutCall(callID:index:)`` where a tool's result and its call would be separated.
    public func replace(with item: Item) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        try conversation.checkReplacement(item)
        conversation.replace(with: item)
        writer.append(.itemReplaced) { body in body.append(json: { $0.appendJSON(item.json) }) }
        queue.cancelWaitingResultsWithoutCall()
    }

    /// Cuts a message of the conversation down to what was heard of it: what comes next remembers no more. What the provider signed or
    /// annotated in the whole text goes, too. A message that has no more text than that stays as it is, and nothing is told.
    /// - Returns: the message as it is then.
    /// - Throws: ``SessionError/itemNotFound(_:)``, and ``SessionError/itemNotTruncatable(_:)`` for an item that is no message.
    public func truncate(_ command: SessionCommand.Truncate) throws(SessionError) -> Item {
        if isClosed { throw .sessionClosed }
        guard let item = conversation.item(command.itemID) else { throw .itemNotFound(command.itemID) }
        guard item.type == "message" else { throw .itemNotTruncatable(item.id) }
        guard let cut = conversation.truncate(item.id, toUTF8Count: max(0, command.utf8Count)) else { return item }
        writer.append(.itemTruncated) { body in
            body.append(json: { $0.appendJSON(cut.json) })
            // 0 stands for none.
            body.append(varint: command.audioEndMilliseconds.map { max(0, $0).saturatingAdding(1) } ?? 0)
        }
        return cut
    }

    /// See ``Conversation/checkIdentifiers(of:besides:)``.
    /// - Parameter keepsActive: whether what is being said stays in the conversation.
    func checkIdentifiers(of new: [Item], keepsActive: Bool) throws(SessionError) {
        let waiting = queue.waiting.flatMap { $0.input.map(\.id) }
        let said = keepsActive ? active?.draft.items.map(\.id) ?? [] : []
        try conversation.checkIdentifiers(of: new, besides: waiting + said)
    }

    /// Takes an item out of the conversation: no response that comes reads it. The log keeps its events. An input that waits with the
    /// result of a call that is deleted is cancelled.
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

    /// Gives the session other metadata.
    public func setMetadata(_ new: JSONValue) {
        memory.changed(by: new.approximateByteCount - metadata.approximateByteCount)
        record.metadata = new
        log.store(.metadata(new))
    }
}
