package import JSON
package import Sessions

/// A request that brings items of a conversation.
package protocol InputRequest: Sendable {
    var items: [Item] { get }
    /// The items as their event has them, if they were encoded off the loop.
    var encoded: EncodedItems? { get set }
}

extension InputRequest {
    /// The items, as a command takes them.
    package var new: NewItems { NewItems(items, encoded: encoded) }

    /// Whether the items take longer to encode than a loop should be blocked.
    package var isLarge: Bool { ItemList(items).isLarge }

    /// The request with its items encoded, if they are large: call it off the loop then.
    package func prepared() -> Self {
        guard isLarge else { return self }
        var request = self
        request.encoded = EncodedItems(items)
        return request
    }
}

// What clients name beside the input of a command.
extension JSONObject {
    /// A position in a session's log: a whole number of zero or more, or a string with the epoch before it.
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

    /// The name by which a client speaks in a session, checked; nil when the member is missing or null.
    package func optionalParticipantName(_ key: String) throws(RequestError) -> String? {
        guard let name = try optionalString(key) else { return nil }
        try Participant.check(name, param: key)
        return name
    }
}

extension Participant {
    /// Checks the name of a participant.
    /// - Parameter param: the member that the error names.
    package static func check(_ name: String, param: String) throws(RequestError) {
        guard !name.isEmpty, name.utf8.count <= maxNameBytes else {
            throw .invalid("'\(param)' must be a name of 1 to \(maxNameBytes) bytes.", param: param)
        }
    }
}

extension CatchUp {
    /// Whether a reader that lags gets adjacent deltas of one item as one event: `merge=deltas`.
    package static func mergesDeltas(_ text: String?) throws(RequestError) -> Bool {
        guard let text else { return false }
        guard text == "deltas" else {
            throw .invalid("'merge' must be 'deltas', or left out.", param: "merge", code: "invalid_value")
        }
        return true
    }
}
