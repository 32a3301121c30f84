import JSON

/// The items that the next response reads, in order, without the current output. Loop-confined.
///
/// Every change is stored with the conversation's log and counts towards the session's memory.
final class Conversation {
    private(set) var items: [Item]
    /// Size of ``items`` in bytes.
    private(set) var byteCount: Int
    private let maxByteCount: Int
    private let log: SessionLog
    private let memory: MemoryTally

    /// - Parameters:
    ///   - items: the initial items, already stored.
    ///   - maxByteCount: see ``SessionLimits/maxConversationBytes``.
    init(_ items: [Item] = [], maxByteCount: Int, log: SessionLog, memory: MemoryTally) {
        self.items = items
        self.maxByteCount = maxByteCount
        self.log = log
        self.memory = memory
        byteCount = items.reduce(0) { $0 + $1.byteCount }
        memory.changed(by: byteCount)
    }

    // MARK: Changes

    /// Appends items.
    func append(_ new: [Item]) { insert(new, at: items.count) }

    /// Inserts items after another one.
    /// - Parameter id: identifier of the preceding item; nil inserts at the beginning.
    /// - Returns: false if there is no such item.
    @discardableResult
    func insert(_ new: [Item], after id: String?) -> Bool {
        guard let index = index(behind: id) else { return false }
        insert(new, at: index)
        return true
    }

    /// Inserts items at an index.
    func insert(_ new: [Item], at index: Int) {
        if new.isEmpty { return }
        log.store(
            index == items.count ? .remembered(new, position: index) : .itemsInserted(new, position: index))
        items.insert(contentsOf: new, at: index)
        count(new.reduce(0) { $0 + $1.byteCount })
    }

    /// Replaces the item with the same identifier.
    /// - Returns: false if there is no such item.
    @discardableResult
    func replace(with item: Item) -> Bool {
        guard let index = index(of: item.id) else { return false }
        let change = item.byteCount - items[index].byteCount
        items[index] = item
        log.store(.itemReplaced(item, position: index))
        count(change)
        return true
    }

    /// Truncates a message to what was heard of it.
    /// - Parameter utf8Count: bytes of its text that remain; a character that would be split is removed.
    /// - Returns: the truncated item; nil if there is no such message, or its text is not longer.
    @discardableResult
    func truncate(_ id: String, toUTF8Count utf8Count: Int) -> Item? {
        guard let index = index(of: id), let item = items[index].truncated(toUTF8Count: utf8Count) else { return nil }
        replace(with: item)
        return item
    }

    /// Deletes an item.
    /// - Returns: its index; nil if there is no such item.
    func delete(_ id: String) -> Int? {
        guard let index = index(of: id) else { return nil }
        let byteCount = items[index].byteCount
        items.remove(at: index)
        log.store(.itemDeleted(position: index))
        count(-byteCount)
        return index
    }

    /// The item with an identifier; nil if there is none.
    func item(_ id: String) -> Item? { items.last { $0.id == id } }

    /// Index after the item with an identifier, or 0 for nil; nil if there is no such item.
    func index(behind id: String?) -> Int? {
        guard let id else { return 0 }
        return index(of: id).map { $0 + 1 }
    }

    private func index(of id: String) -> Int? { items.lastIndex { $0.id == id } }

    private func count(_ change: Int) {
        byteCount += change
        memory.changed(by: change)
    }

    // MARK: Checks

    /// Refuses items that exceed the conversation's limit.
    /// - Parameter waitingByteCount: bytes of inputs that come first.
    func checkRoom(for new: [Item], waitingByteCount: Int = 0) throws(SessionError) {
        guard byteCount + waitingByteCount + new.reduce(0, { $0 + $1.byteCount }) <= maxByteCount else {
            throw .conversationTooLarge(limitBytes: maxByteCount)
        }
    }

    /// Refuses an item whose identifier occurs twice among the new ones, or already in the conversation, a waiting input or the
    /// current output, such as one that a client sends back with an input. Paging, deleting and withdrawing rely on unique
    /// identifiers.
    /// - Parameter others: identifiers of the waiting inputs and of the current output.
    func checkIdentifiers(of new: [Item], besides others: [String]) throws(SessionError) {
        // Nearly every input is one message, and the conversation is long: comparing with one is cheaper than hashing all.
        if new.count == 1 {
            let id = new[0].id
            for index in items.indices where items[index].id == id { throw .duplicateItem(id: id) }
            if others.contains(id) { throw .duplicateItem(id: id) }
            return
        }
        var ids = Set<String>(minimumCapacity: new.count)
        for item in new where !ids.insert(item.id).inserted { throw .duplicateItem(id: item.id) }
        for item in items where ids.contains(item.id) { throw .duplicateItem(id: item.id) }
        for id in others where ids.contains(id) { throw .duplicateItem(id: id) }
    }

    /// Refuses a tool result without a call: no upstream accepts one, and dropping it would lose it silently.
    /// - Parameter coming: items that will come between the conversation and the new ones.
    func checkResults(in new: [Item], behind coming: @autoclosure () -> [Item]) throws(SessionError) {
        guard new.contains(where: \.isToolResult) else { return }
        let before = items + coming()
        let pairs = ToolPairs(before + new)
        guard let orphan = pairs.orphans.first(where: { $0 >= before.count }) else { return }
        let index = orphan - before.count
        throw .resultWithoutCall(callID: new[index].body["call_id"]?.string ?? "", index: index)
    }

    /// Refuses insertions that contain a tool result without a preceding call, or that change which call a result answers.
    /// - Parameter index: index of the first inserted item.
    func checkResults(in new: [Item], insertedAt index: Int) throws(SessionError) {
        // Appended items change no existing pair, but a result among them may lack its call. Inserted earlier, a call or a message
        // is enough to pair a result with another call.
        guard index < items.count || new.contains(where: \.isToolResult) else { return }
        var changed = items
        changed.insert(contentsOf: new, at: index)
        guard let callID = callOfBrokenPair(in: changed) else { return }
        let named = new.indices.filter { new[$0].body["call_id"]?.string ?? "" == callID }
        throw .resultWithoutCall(callID: callID, index: named.first { new[$0].isToolResult } ?? named.first ?? 0)
    }

    /// Refuses a replacement if there is no such item, it exceeds the limit, or it separates a tool result from its call.
    func checkReplacement(_ item: Item) throws(SessionError) {
        guard let index = index(of: item.id) else { throw .itemNotFound(item.id) }
        let change = item.byteCount - items[index].byteCount
        guard change <= 0 || byteCount + change <= maxByteCount else { throw .conversationTooLarge(limitBytes: maxByteCount) }
        var changed = items
        changed[index] = item
        if let callID = callOfBrokenPair(in: changed) { throw .resultWithoutCall(callID: callID, index: 0) }
    }

    /// The `call_id` of a result that loses its call in the changed conversation, or of a call that another result, or none, would
    /// answer. Nil if all pairs stay.
    private func callOfBrokenPair(in changed: [Item]) -> String? {
        let (before, after) = (ToolPairs(items), ToolPairs(changed))
        let known = Set(before.orphans.lazy.map { self.items[$0].id })
        let orphan = after.orphans.lazy.map { changed[$0] }.first { !known.contains($0.id) }
        if let orphan { return orphan.body["call_id"]?.string ?? "" }
        let answers = after.answers(in: changed)
        let broken = before.answers(in: items).filter { answers[$0.key] != $0.value }
        // Deterministic if there are several.
        return broken.values.map(\.callID).min()
    }
}

extension Item {
    /// A message with the beginning of its text, marked incomplete; nil for other items, and if the text is not longer.
    ///
    /// Data about the whole text is dropped: a provider refuses a signature of another text, and annotations may lie beyond the
    /// end.
    fileprivate func truncated(toUTF8Count utf8Count: Int) -> Item? {
        guard type == "message", utf8Count >= 0, utf8Count < textByteCount else { return nil }
        var left = utf8Count
        func cut(_ text: String) -> String {
            let kept = text.prefix(utf8Count: left)
            left -= kept.utf8.count
            // Parts after a removed character are removed, too.
            if kept.utf8.count < text.utf8.count { left = 0 }
            return kept
        }
        func cut(content: JSONValue?) -> JSONValue? {
            switch content {
            case .string(let text)?: return .string(cut(text))
            case .array(let parts)?:
                return .array(
                    parts.map { part in
                        for name in ["text", "refusal"] {
                            guard let text = part[name]?.string, var object = part.object else { continue }
                            let kept = cut(text)
                            object[name] = .string(kept)
                            if kept.utf8.count < text.utf8.count { object.emptyTextDetails() }
                            return .object(object)
                        }
                        return part
                    })
            default: return nil
            }
        }
        var body = body
        guard let content = cut(content: body["content"]) else { return nil }
        body["content"] = content
        if var extensions = body["interject"]?.object {
            extensions["provider_data"] = nil
            body["interject"] = extensions.isEmpty ? nil : .object(extensions)
        }
        // The message that is passed to the upstream verbatim is truncated, too.
        var message = chatMessage?.object
        if let whole = message?["content"] {
            left = utf8Count
            message?["content"] = cut(content: whole) ?? whole
        }
        message?["extra_content"] = nil
        message?.emptyTextDetails()
        return Item(id: id, status: .incomplete, body: body, chatMessage: message.map { .object($0) } ?? chatMessage)
    }
}

extension JSONObject {
    /// Empties the members that describe ranges or tokens of the whole text.
    fileprivate mutating func emptyTextDetails() {
        for name in ["annotations", "logprobs"] where self[name]?.array != nil { self[name] = [] }
    }
}

extension String {
    /// The longest prefix of whole characters within a number of bytes. O(1) apart from the copy: a message may have several MiB.
    fileprivate func prefix(utf8Count: Int) -> String {
        guard utf8Count < utf8.count else { return self }
        let limit = utf8.index(startIndex, offsetBy: max(0, utf8Count))
        // String indices round down to a character.
        return String(self[..<index(before: index(after: limit))])
    }
}
