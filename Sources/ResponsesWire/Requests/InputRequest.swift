package import JSON
package import Sessions

/// A request with items for a conversation.
package protocol InputRequest: Sendable {
    /// The items.
    var items: [Item] { get }
    /// The items as encoded for their event, if that was done off the loop.
    var encoded: EncodedItems? { get set }
}

extension InputRequest {
    /// The items for a command.
    package var new: NewItems { NewItems(items, encoded: encoded) }

    /// Whether encoding the items would block a loop for too long.
    package var isLarge: Bool { ItemList(items).isLarge }

    /// The request with its items encoded, if they are large; must then be called off the loop.
    package func prepared() -> Self {
        guard isLarge else { return self }
        var request = self
        request.encoded = EncodedItems(items)
        return request
    }
}

// Members that accompany an input.
extension JSONObject {
    /// A position in a session's log: a non-negative integer, or a string that begins with the epoch.
    package func optionalPosition(_ key: String) throws(RequestError) -> LogPosition? {
        guard let value = self[key], !value.isNull else { return nil }
        if let number = value.int, number >= 0 { return LogPosition(sequence: number) }
        guard let position = value.string.flatMap({ LogPosition($0) }) else {
            throw .invalid(
                "'\(key)' must be a session sequence number, or a string with the epoch before it, like \"2:41\".", param: key,
                code: "invalid_type")
        }
        return position
    }

    /// The name of the speaking participant, validated; nil if the member is missing or null.
    package func optionalParticipantName(_ key: String) throws(RequestError) -> String? {
        guard let name = try optionalString(key) else { return nil }
        try Participant.check(name, param: key)
        return name
    }
}

extension Participant {
    /// Validates the name of a participant.
    /// - Parameter param: the request member that the error names.
    package static func check(_ name: String, param: String) throws(RequestError) {
        guard !name.isEmpty, name.utf8.count <= maxNameBytes else {
            throw .invalid("'\(param)' must be a name of 1 to \(maxNameBytes) bytes.", param: param)
        }
    }
}

extension CatchUp {
    /// Whether adjacent deltas of one item are merged for a lagging reader: `merge=deltas`.
    package static func mergesDeltas(_ text: String?) throws(RequestError) -> Bool {
        guard let text else { return false }
        guard text == "deltas" else {
            throw .invalid("'merge' must be 'deltas', or left out.", param: "merge", code: "invalid_value")
        }
        return true
    }
}
