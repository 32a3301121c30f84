import Bytes
import HTTP
import JSON
import Network
import Sessions

/// Deleting a response, and what went into one.
extension ResponsesFace {
    /// `DELETE /v1/responses/{id}`
    static func delete(_ call: Call, id: String) throws(APIError) {
        let context = call.context
        call.withSession(ofResponse: id) { session in
            session.perform(from: call.loop, orElse: call.fail) { session in
                context.directory.remove(response: id)
                context.idempotency.erase([id])
                return session.delete(responseID: id)
            } then: { isDeleted in
                guard isDeleted else {
                    call.fail(notFound(id))
                    return
                }
                call.respond {
                    $0.field("id", id)
                    $0.field("object", "response")
                    $0.field("deleted", true)
                }
            }
        }
    }

    /// `GET /v1/responses/{id}/input_items`
    static func inputItems(_ call: Call, id: String) throws(APIError) {
        let page = try ItemPage(call)
        call.withSession(ofResponse: id) { session in
            session.perform(from: call.loop, orElse: call.fail) { session in
                session.generations.last { $0.id == id }.map { page.read($0.input) }
            } then: { result in
                switch result {
                case nil: call.fail(notFound(id))
                case .failure(let error)?: call.fail(error)
                case .success(let list)?: call.respond(list)
                }
            }
        }
    }

    /// `POST /v1/responses/input_tokens`: what a request would read, by our estimate.
    static func countInputTokens(_ call: Call) throws(APIError) {
        try call.read { (body) throws(APIError) in
            try ResponsesRequest(body, defaultModel: "none", inputIsOptional: true)
        } then: { (call, request) in
            countInputTokens(call, request)
        }
    }

    private static func countInputTokens(_ call: Call, _ request: ResponsesRequest) {
        let own = request.items + (request.parameters.instructions.map { [Item.userMessage($0)] } ?? [])
        var tools = ByteBuffer()
        if let list = request.parameters.members["tools"] { tools.appendJSON(list) }
        let byteCount = own.reduce(tools.count) { $0 + $1.promptByteCount }
        let answer = { (before: Int) in
            call.respond {
                $0.field("object", "response.input_tokens")
                $0.field("input_tokens", (byteCount + before + 3) / 4)
                $0.object("interject") { $0.field("usage_estimated", true) }
            }
        }
        guard request.continuesSomething else {
            answer(0)
            return
        }
        target(of: request, owner: call.owner, loop: call.loop, context: call.context) { target in
            let reference: SessionReference
            switch target {
            case .failure(let error):
                call.fail(error)
                return
            case .success(.session(let session)), .success(.continuation(_, let session)): reference = session
            }
            let previous = request.previousResponseID
            reference.perform(from: call.loop, orElse: call.fail) { session -> Int? in
                let items: [Item]?
                if let previous {
                    items = session.generations.last { $0.id == previous }.flatMap { session.conversation(upTo: $0) }
                } else {
                    items = session.items
                }
                return items?.reduce(0) { $0 + $1.promptByteCount }
            } then: { count in
                if let count { answer(count) } else { call.fail(.previousResponseNotFound(previous ?? "")) }
            }
        }
    }
}

extension Item {
    /// Bytes of text that a model reads of it, near enough.
    fileprivate var promptByteCount: Int {
        text.utf8.count + (body["arguments"]?.string?.utf8.count ?? 0) + (body["output"]?.string?.utf8.count ?? 0)
    }
}

/// Which part of a list of items a call asks for: `limit`, `order`, `after`.
struct ItemPage: Sendable {
    let limit: Int
    let isAscending: Bool
    let after: String?

    init(_ call: Call) throws(APIError) {
        limit = try call.limit(default: 20, max: 100)
        after = call.query["after"]
        switch call.query["order"] ?? "desc" {
        case "asc": isAscending = true
        case "desc": isAscending = false
        default: throw .invalid("'order' must be 'asc' or 'desc'.", param: "order", code: "invalid_value")
        }
    }

    /// The page.
    /// - Parameter items: all of them, oldest first.
    func read(_ items: [Item]) -> Result<ItemList, APIError> {
        let ordered = isAscending ? items : items.reversed()
        var start = 0
        if let after {
            // The last one of this name, so that a client that turns pages always gets on.
            guard let place = ordered.lastIndex(where: { $0.id == after }) else {
                return .failure(.invalid("No item with id '\(after)' is in this list.", param: "after", code: "invalid_value"))
            }
            start = place + 1
        }
        let page = ordered[start...].prefix(limit)
        return .success(ItemList(items: Array(page), hasMore: start + page.count < ordered.count))
    }
}

/// Items that are told of, to be encoded anywhere.
struct ItemList: Sendable {
    let items: [Item]
    var hasMore = false

    /// Whether it takes longer to encode than a loop should be held for.
    var isLarge: Bool { items.reduce(0) { $0 + $1.byteCount } >= LargeBody.leastByteCount }

    var json: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in for item in items { data.element(item.json) } }
            list.field("first_id", items.first?.id)
            list.field("last_id", items.last?.id)
            list.field("has_more", hasMore)
        }
        return buffer.array
    }
}

extension Call {
    /// Answers with a list of items, which is encoded off the loop if it is large.
    func respond(_ list: ItemList, fields: [(name: String, value: String)] = []) {
        compute(ifLarge: list.isLarge) {
            list.json
        } then: {
            respond(json: $0, fields: fields)
        }
    }
}
