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
        let body = call.exchange.body.isEmpty ? JSONObject() : try call.jsonBody()
        try RequestBounds.check(body)
        let metadata = try metadata(body) ?? [:]
        let items = try items(body, isNeeded: false)
        let reference = call.context.sessions(on: call.loop).makeSession(
            id: Identifier.make(prefix), owner: call.owner,
            defaults: ResponseParameters(model: call.context.modelNames.first ?? ""), metadata: .object(metadata))
        perform(call, on: reference) { session throws(SessionError) in
            try session.add(items)
            return json(session)
        }
    }

    /// `GET /v1/conversations/{id}`
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        withConversation(call, id) { reference in perform(call, on: reference) { json($0) } }
    }

    /// `POST /v1/conversations/{id}`: other metadata.
    static func update(_ call: Call, id: String) throws(APIError) {
        guard let metadata = try metadata(try call.jsonBody()) else {
            throw .invalid("'metadata' is missing.", param: "metadata", code: "missing_required_parameter")
        }
        withConversation(call, id) { reference in
            perform(call, on: reference) { session in
                session.setMetadata(.object(metadata))
                return json(session)
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
                case .success(let json): call.respond(json: json)
                case .failure(let error): call.fail(error)
                }
            }
        }
    }

    /// `POST /v1/conversations/{id}/items`
    static func addItems(_ call: Call, id: String) throws(APIError) {
        let items = try items(try call.jsonBody(), isNeeded: true)
        withConversation(call, id) { reference in
            // Of items that were refused the conversation may have one of the same name.
            let withdraw = { @Sendable (session: Session, result: Result<[UInt8], APIError>) in
                if case .success = result { for item in items { _ = session.deleteItem(item.id) } }
            }
            perform(call, on: reference, withdraw: withdraw) { session throws(SessionError) in
                try session.add(items)
                return ItemPage.all(items)
            }
        }
    }

    /// `GET /v1/conversations/{id}/items/{item}`
    static func retrieveItem(_ call: Call, id: String, item: String) throws(APIError) {
        withConversation(call, id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) { session in
                session.items.last { $0.id == item }?.json
            } then: { json in
                if let object = json?.object {
                    call.respond(json: Array(JSONValue.object(object).description.utf8))
                } else {
                    call.fail(itemNotFound(item))
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
        _ call: Call, on reference: SessionReference,
        withdraw: @escaping @Sendable (Session, Result<[UInt8], APIError>) -> Void = { _, _ in },
        _ body: @escaping @Sendable (Session) throws(SessionError) -> [UInt8]
    ) {
        reference.perform(from: call.loop, withdraw: withdraw, orElse: call.fail) { session -> Result<[UInt8], APIError> in
            do throws(SessionError) {
                return .success(try body(session))
            } catch {
                return .failure(APIError(error).renamingParam("input", to: "items"))
            }
        } then: { result in
            switch result {
            case .success(let json): call.respond(json: json, fields: [("Interject-Session", reference.id)])
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
