import API
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// OpenAI's Conversations API: `Protocols/conversations.md`. A conversation is a session whose identifier begins with `conv_`.
package enum ConversationsFace {
    /// Maximum number of items added by one call, as in OpenAI's API.
    static let maxItems = 20

    /// `POST /v1/conversations`
    static func create(_ call: Call) throws(APIError) {
        try call.read(isOptional: true) { (body) throws(RequestError) in
            try RequestBounds.check(body)
            return (metadata: try metadata(body) ?? [:], new: newItems(try items(body, isNeeded: false)))
        } then: { (call, request) in
            create(call, request.metadata, request.new)
        }
    }

    private static func create(_ call: Call, _ metadata: JSONObject, _ new: NewItems) {
        let reference = call.services.sessions(placedFrom: call.loop).makeSession(
            id: Identifier.make(SessionRecord.conversationPrefix), owner: call.owner,
            defaults: ResponseParameters(model: call.services.modelNames.first ?? ""), metadata: .object(metadata))
        perform(.addItems(new), on: reference, call) { (outcome) throws(SessionError) in
            call.respond(json: json(try outcome.summary()), fields: fields(of: reference))
        }
    }

    /// `GET /v1/conversations/{id}`
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        findConversation(call, id) { reference in
            perform(.readSummary, on: reference, call) { (outcome) throws(SessionError) in
                call.respond(json: json(try outcome.summary()), fields: fields(of: reference))
            }
        }
    }

    /// `POST /v1/conversations/{id}`: replaces the metadata.
    static func update(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            guard let metadata = try metadata(body) else {
                throw .invalid("'metadata' is missing.", param: "metadata", code: "missing_required_parameter")
            }
            return metadata
        } then: { (call, metadata) in
            findConversation(call, id) { reference in
                perform(.setMetadata(.object(metadata)), on: reference, call) { (outcome) throws(SessionError) in
                    call.respond(json: json(try outcome.summary()), fields: fields(of: reference))
                }
            }
        }
    }

    /// `DELETE /v1/conversations/{id}`: deletes its items and responses, too.
    static func delete(_ call: Call, id: String) throws(APIError) {
        findConversation(call, id) { reference in
            perform(.deleteSession, on: reference, call) { (outcome) throws(SessionError) in
                try outcome.done()
                call.respond {
                    $0.field("id", id)
                    $0.field("object", "conversation.deleted")
                    $0.field("deleted", true)
                }
            }
        }
    }

    // MARK: Items

    /// `GET /v1/conversations/{id}/items`
    static func listItems(_ call: Call, id: String) throws(APIError) {
        let range = try SessionCommand.ItemRange(call)
        findConversation(call, id) { reference in
            perform(.readItems(.conversation, range), on: reference, call) { (outcome) throws(SessionError) in
                call.respond(ItemList(try outcome.items()))
            }
        }
    }

    /// `POST /v1/conversations/{id}/items`
    static func addItems(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            newItems(try items(body, isNeeded: true))
        } then: { (call, new) in
            add(new, to: id, call)
        }
    }

    private static func add(_ new: NewItems, to id: String, _ call: Call) {
        findConversation(call, id) { reference in
            perform(.addItems(new), on: reference, call) { (outcome) throws(SessionError) in
                _ = try outcome.summary()
                call.respond(ItemList(new.items), fields: fields(of: reference))
            }
        }
    }

    /// `GET /v1/conversations/{id}/items/{item}`
    static func retrieveItem(_ call: Call, id: String, item: String) throws(APIError) {
        findConversation(call, id) { reference in
            perform(.readItem(id: item), on: reference, call) { (outcome) throws(SessionError) in
                let found = ItemList(try outcome.items())
                call.compute(ifLarge: found.isLarge) {
                    found.items[0].json.serialized()
                } then: {
                    call.respond(json: $0)
                }
            }
        }
    }

    /// `DELETE /v1/conversations/{id}/items/{item}`: responds with the conversation.
    static func deleteItem(_ call: Call, id: String, item: String) throws(APIError) {
        findConversation(call, id) { reference in
            perform(.deleteItem(id: item), on: reference, call) { (outcome) throws(SessionError) in
                call.respond(json: json(try outcome.summary()))
            }
        }
    }

    // MARK: Parts

    private static func findConversation(_ call: Call, _ id: String, _ body: @escaping (SessionReference) -> Void) {
        call.services.find(session: id.hasPrefix(SessionRecord.conversationPrefix) ? id : "", owner: call.owner, from: call.loop) {
            result in
            switch result {
            case .failure(let error): call.fail(error)
            case .success(nil): call.fail(.notFound("conversation", id: id, code: "conversation_not_found"))
            case .success(let reference?): body(reference)
            }
        }
    }

    /// Like ``Call/perform(_:on:reader:listens:orElse:then:)``, with this face's errors.
    private static func perform(
        _ command: SessionCommand.Kind, on reference: SessionReference, _ call: Call,
        then: @escaping (SessionOutcome) throws(SessionError) -> Void
    ) {
        let refuse = { (error: APIError) in call.fail(error.renamingParam("input", to: "items")) }
        call.perform(command, on: reference, orElse: refuse, then: then)
    }

    private static func fields(of reference: SessionReference) -> [(name: String, value: String)] {
        [("Interject-Session", reference.id)]
    }

    /// Encodes the items if they are large; must then be called off the loop.
    private static func newItems(_ items: [Item]) -> NewItems {
        NewItems(items, encoded: ItemList(items).isLarge ? EncodedItems(items) : nil)
    }

    private static func json(_ conversation: SessionSummary) -> [UInt8] {
        let object: JSONObject = [
            "id": .string(conversation.record.id), "object": "conversation",
            "created_at": JSONValue(conversation.record.createdAt), "metadata": conversation.record.metadata,
        ]
        return Array(object.description.utf8)
    }

    private static func metadata(_ body: JSONObject) throws(RequestError) -> JSONObject? {
        if let metadata = body["metadata"], !metadata.isNull { try ResponsesRequest.check(["metadata": metadata]) }
        return try body.optionalObject("metadata")
    }

    private static func items(_ body: JSONObject, isNeeded: Bool) throws(RequestError) -> [Item] {
        guard let value = body["items"], !value.isNull else {
            if isNeeded { throw .invalid("'items' is missing.", param: "items", code: "missing_required_parameter") }
            return []
        }
        guard let values = value.array, values.count <= maxItems else {
            throw .invalid("'items' must be an array of at most \(maxItems) items.", param: "items")
        }
        if values.isEmpty, !isNeeded { return [] }
        return try InputItems.parse(value, named: "items")
    }
}
