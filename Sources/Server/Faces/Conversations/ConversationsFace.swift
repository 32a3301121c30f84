import HTTP
import JSON
import Network
import Sessions

/// OpenAI's Conversations API: `Protocols/conversations.md`. A conversation is a session whose identifier begins with `conv_`.
enum ConversationsFace {
    static let prefix = "conv_"
    /// Items that one call may add, as with OpenAI.
    static let maxItems = 20

    /// `POST /v1/conversations`
    static func create(_ call: Call) throws(APIError) {
        try call.read(isOptional: true) { (body) throws(APIError) in
            try RequestBounds.check(body)
            return (metadata: try metadata(body) ?? [:], new: NewItems(try items(body, isNeeded: false)))
        } then: { (call, request) in
            create(call, request.metadata, request.new)
        }
    }

    /// Items that are to be added; encoded, if they are large.
    private struct NewItems: Sendable {
        let items: [Item]
        let encoded: EncodedItems?

        init(_ items: [Item]) {
            self.items = items
            encoded = ItemList(items: items).isLarge ? EncodedItems(items) : nil
        }
    }

    private static func create(_ call: Call, _ metadata: JSONObject, _ new: NewItems) {
        let reference = call.context.sessions(on: call.loop).makeSession(
            id: Identifier.make(prefix), owner: call.owner,
            defaults: ResponseParameters(model: call.context.modelNames.first ?? ""), metadata: .object(metadata))
        perform(call, on: reference) { session throws(SessionError) in
            try session.add(new.items, encoded: new.encoded)
            return json(session)
        }
    }

    /// `GET /v1/conversations/{id}`
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        withConversation(call, id) { reference in perform(call, on: reference) { json($0) } }
    }

    /// `POST /v1/conversations/{id}`: other metadata.
    static func update(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(APIError) in
            guard let metadata = try metadata(body) else {
                throw .invalid("'metadata' is missing.", param: "metadata", code: "missing_required_parameter")
            }
            return metadata
        } then: { (call, metadata) in
            withConversation(call, id) { reference in
                perform(call, on: reference) { session in
                    session.setMetadata(.object(metadata))
                    return json(session)
                }
            }
        }
    }

    /// `DELETE /v1/conversations/{id}`: with all that was said in it, and its responses.
    static func delete(_ call: Call, id: String) throws(APIError) {
        let context = call.context
        withConversation(call, id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) { session in
                context.sessions(on: reference.loop).forget(session)
            } then: {
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
        let page = try ItemPage(call)
        withConversation(call, id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) {
                page.read($0.items)
            } then: { result in
                switch result {
                case .success(let list): call.respond(list)
                case .failure(let error): call.fail(error)
                }
            }
        }
    }

    /// `POST /v1/conversations/{id}/items`
    static func addItems(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(APIError) in
            NewItems(try items(body, isNeeded: true))
        } then: { (call, new) in
            add(new, to: id, call)
        }
    }

    private static func add(_ new: NewItems, to id: String, _ call: Call) {
        withConversation(call, id) { reference in
            // Of items that were refused the conversation may have one of the same name.
            let withdraw = { @Sendable (session: Session, result: Result<ItemList, APIError>) in
                if case .success = result { for item in new.items { _ = session.deleteItem(item.id) } }
            }
            perform(call, on: reference, withdraw: withdraw) { session throws(SessionError) in
                try session.add(new.items, encoded: new.encoded)
                return ItemList(items: new.items)
            } then: { list, fields in
                call.respond(list, fields: fields)
            }
        }
    }

    /// `GET /v1/conversations/{id}/items/{item}`
    static func retrieveItem(_ call: Call, id: String, item: String) throws(APIError) {
        withConversation(call, id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) { session in
                session.items.last { $0.id == item }
            } then: { found in
                guard let found else { return call.fail(itemNotFound(item)) }
                call.compute(ifLarge: ItemList(items: [found]).isLarge) {
                    found.json.serialized()
                } then: {
                    call.respond(json: $0)
                }
            }
        }
    }

    /// `DELETE /v1/conversations/{id}/items/{item}`: gives the conversation.
    static func deleteItem(_ call: Call, id: String, item: String) throws(APIError) {
        withConversation(call, id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) { session in
                session.deleteItem(item) ? json(session) : nil
            } then: { json in
                if let json { call.respond(json: json) } else { call.fail(itemNotFound(item)) }
            }
        }
    }

    // MARK: Parts

    private static func withConversation(_ call: Call, _ id: String, _ body: @escaping (SessionReference) -> Void) {
        call.context.find(session: id.hasPrefix(prefix) ? id : "", owner: call.owner, from: call.loop) { result in
            switch result {
            case .failure(let error): call.fail(error)
            case .success(nil): call.fail(.notFound("conversation", id: id, code: "conversation_not_found"))
            case .success(let reference?): body(reference)
            }
        }
    }

    private static func perform(
        _ call: Call, on reference: SessionReference, _ body: @escaping @Sendable (Session) throws(SessionError) -> [UInt8]
    ) {
        perform(call, on: reference, body) { call.respond(json: $0, fields: $1) }
    }

    private static func perform<Value: Sendable>(
        _ call: Call, on reference: SessionReference,
        withdraw: @escaping @Sendable (Session, Result<Value, APIError>) -> Void = { _, _ in },
        _ body: @escaping @Sendable (Session) throws(SessionError) -> Value,
        then: @escaping (Value, _ fields: [(name: String, value: String)]) -> Void
    ) {
        reference.perform(from: call.loop, withdraw: withdraw, orElse: call.fail) { session -> Result<Value, APIError> in
            do throws(SessionError) {
                return .success(try body(session))
            } catch {
                return .failure(APIError(error).renamingParam("input", to: "items"))
            }
        } then: { result in
            switch result {
            case .success(let value): then(value, [("Interject-Session", reference.id)])
            case .failure(let error): call.fail(error)
            }
        }
    }

    private static func json(_ session: Session) -> [UInt8] {
        let object: JSONObject = [
            "id": .string(session.id), "object": "conversation", "created_at": JSONValue(session.createdAt),
            "metadata": session.metadata,
        ]
        return Array(object.description.utf8)
    }

    private static func metadata(_ body: JSONObject) throws(APIError) -> JSONObject? {
        if let metadata = body["metadata"], !metadata.isNull { try ResponsesRequest.check(["metadata": metadata]) }
        return try body.optionalObject("metadata")
    }

    private static func items(_ body: JSONObject, isNeeded: Bool) throws(APIError) -> [Item] {
        guard let value = body["items"], !value.isNull else {
            if isNeeded { throw .invalid("'items' is missing.", param: "items", code: "missing_required_parameter") }
            return []
        }
        guard let values = value.array, values.count <= maxItems else {
            throw .invalid("'items' must be an array of at most \(maxItems) items.", param: "items")
        }
        if values.isEmpty, !isNeeded { return [] }
        do {
            return try InputItems.parse(value)
        } catch {
            throw error.renamingParam("input", to: "items")
        }
    }

    private static func itemNotFound(_ id: String) -> APIError { .notFound("item", id: id, code: "item_not_found") }
}
