import JSON

/// What was said so far, in order, without what is being said: the items that the next response reads. Loop-confined.
///
/// Every change is stored with the log that the conversation belongs to, and counts in the session's memory.
final class Conversation {
    private(set) var items: [Item]
    /// Bytes of ``items``.
    private(set) var byteCount: Int
    private let maxByteCount: Int
    private let log: SessionLog
    private let memory: MemoryTally

    /// - Parameters:
    ///   - items: what it begins with; stored already.
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

    /// Takes items in, behind all others.
    func append(_ new: [Item]) { insert(new, at: items.count) }

    /// Takes items in behind another one.
    /// - Parameter id: of the item before them; nil for the beginning.
    /// - Returns: false if there is no such item.
    @discardableResult
    func insert(_ new: [Item], after id: String?) -> Bool {
        guard let index = index(behind: id) else { return false }
        insert(new, at: index)
        return true
    }

    /// Takes items in, from an index on; those behind it move down.
    func insert(_ new: [Item], at index: Int) {
        if new.isEmpty { return }
        log.store(
            index == items.count ? .remembered(new, position: index) : .itemsInserted(new, position: index))
        items.insert(contentsOf: new, at: index)
        count(new.reduce(0) { $0 + $1.byteCount })
    }

    /// Puts an item in the position of the one with its identifier.
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

    /// Cuts a message down to what was heard of it.
    /// - Parameter utf8Count: bytes of its text that stay; a character that they would cut in two goes whole.
    /// - Returns: the item as it is now; nil if there is no such message, or if it has no more text than that.
    @discardableResult
    func truncate(_ id: String, toUTF8Count utf8Count: Int) -> Item? {
        guard let index = index(of: id), let item = items[index].truncated(toUTF8Count: utf8Count) else { return nil }
        replace(with: item)
        return item
    }

    /// Takes an item out.
    /// - Returns: the index that it had; nil if there is no such item.
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

    /// Index behind the item with an identifier, or of the first one for nil; nil if there is no such item.
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

    /// Refuses items for which there is no room.
    /// - Parameter waitingByteCount: bytes of what will come in before them.
    func checkRoom(for new: [Item], waitingByteCount: Int = 0) throws(SessionError) {
        guard byteCount + waitingByteCount + new.reduce(0, { $0 + $1.byteCount }) <= maxByteCount else {
            throw .conversationTooLarge(limitBytes: maxByteCount)
        }
    }

    /// An identifier stands once in a conversation, in what waits to come into it and in what is being said: by it items are paged
    /// through, deleted and withdrawn. Those that clients hand back with an input, where the conversation has them, are refused.
    /// - Parameter others: identifiers of what waits, and of what is being said.
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

    /// Refuses a tool's result whose call is nowhere: no upstream takes one, and left out it would be lost without a word.
    /// - Parameter coming: what will stand between the conversation and the new items.
    func checkResults(in new: [Item], behind coming: @autoclosure () -> [Item]) throws(SessionError) {
        guard new.contains(where: \.isToolResult) else { return }
        let before = items + coming()
        let pairs = ToolPairs(before + new)
        guard let orphan = pairs.orphans.first(where: { $0 >= before.count }) else { return }
        let index = orphan - before.count
        throw .resultWithoutCall(callID: new[index].body["call_id"]?.string ?? "", index: index)
    }

    /// Refuses items of which one is a tool's result without a call before it, or which would change what a result of the
    /// conversation answers.
    /// - Parameter index: where they are to stand.
    func checkResults(in new: [Item], insertedAt index: Int) throws(SessionError) {
        // Items at the end change no pair before them, but a result among them may lack its call. Before the end, a call or a message
        // is enough to give a result another call.
        guard index < items.count || new.contains(where: \.isToolResult) else { return }
        var changed = items
        changed.insert(contentsOf: new, at: index)
        guard let callID = callOfBrokenPair(in: changed) else { return }
        let named = new.indices.filter { new[$0].body["call_id"]?.string ?? "" == callID }
        throw .resultWithoutCall(callID: callID, index: named.first { new[$0].isToolResult } ?? named.first ?? 0)
    }

    /// Refuses an item that cannot stand in the position of the one with its identifier: there is none, there is no room, or a tool's
    /// result and its call would be separated.
    func checkReplacement(_ item: Item) throws(SessionError) {
        guard let index = index(of: item.id) else { throw .itemNotFound(item.id) }
        let change = item.byteCount - items[index].byteCount
        guard change <= 0 || byteCount + change <= maxByteCount else { throw .conversationTooLarge(limitBytes: maxByteCount) }
        var changed = items
        changed[index] = item
        if let callID = callOfBrokenPair(in: changed) { throw .resultWithoutCall(callID: callID, index: 0) }
    }

    /// The `call_id` of a tool's result that has no call in the changed conversation, unless it has none already; or of a call that
    /// another result, or none, would answer there. nil if all pairs stay.
    private func callOfBrokenPair(in changed: [Item]) -> String? {
        let (before, after) = (ToolPairs(items), ToolPairs(changed))
        let known = Set(before.orphans.lazy.map { self.items[$0].id })
        let orphan = after.orphans.lazy.map { changed[$0] }.first { !known.contains($0.id) }
        if let orphan { return orphan.body["call_id"]?.string ?? "" }
        let answers = after.answers(in: changed)
        let broken = before.answers(in: items).filter { answers[$0.key] != $0.value }
        // The same one each time, of several.
        return broken.values.map(\.callID).min()
    }
}

extension Item {
    /// A message with the beginning of its text, as incomplete; nil for other items, and where it has no more text than that.
    ///
    /// What refers to the whole text goes: a provider refuses a signature over another text, and annotations may lie behind the end.
    fileprivate func truncated(toUTF8Count utf8Count: Int) -> Item? {
        guard type == "message", utf8Count >= 0, utf8Count < textByteCount else { return nil }
        var left = utf8Count
        func cut(_ text: String) -> String {
            let kept = text.prefix(utf8Count: left)
            left -= kept.utf8.count
            // What follows a character that was cut away goes, too.
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
        // What goes to the upstream as it came is cut, too.
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
    /// Empties what describes ranges or tokens of a text that was cut.
    fileprivate mutating func emptyTextDetails() {
        for name in ["annotations", "logprobs"] where self[name]?.array != nil { self[name] = [] }
    }
}

extension String {
    /// The longest beginning of whole characters that has at most so many bytes. O(1) but for the copy: a message may have MiBs.
    fileprivate func prefix(utf8Count: Int) -> String {
        guard utf8Count < utf8.count else { return self }
        let limit = utf8.index(startIndex, offsetBy: max(0, utf8Count))
        // Steps of a string's characters round their index down to a character.
        return String(self[..<index(before: index(after: limit))])
    }
}
