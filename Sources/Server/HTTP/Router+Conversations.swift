import HTTP

/// The ways to conversations.
extension Router {
    func routeConversations(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path.count, path.count > 1 ? path[1] : "") {
        case (0, _): try only(.post, method) { () throws(APIError) in try begin(call, ConversationsFace.create) }
        case (1, _):
            switch method {
            case .get: try ConversationsFace.retrieve(call, id: path[0])
            case .delete: try ConversationsFace.delete(call, id: path[0])
            default: try only(.post, method, also: .get) { () throws(APIError) in try ConversationsFace.update(call, id: path[0]) }
            }
        case (2, "items"):
            if method == .get {
                try ConversationsFace.listItems(call, id: path[0])
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in
                    try begin(call) { (call) throws(APIError) in try ConversationsFace.addItems(call, id: path[0]) }
                }
            }
        case (3, "items"):
            if method == .delete {
                try ConversationsFace.deleteItem(call, id: path[0], item: path[2])
            } else {
                try only(.get, method, also: .delete) { () throws(APIError) in
                    try ConversationsFace.retrieveItem(call, id: path[0], item: path[2])
                }
            }
        default: throw Self.noSuchPath(call)
        }
    }
}
