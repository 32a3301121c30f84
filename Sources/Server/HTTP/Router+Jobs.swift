import HTTP

/// The ways to files and batches.
extension Router {
    func routeFiles(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path.count, path.count > 1 ? path[1] : "") {
        case (0, _):
            if method == .get {
                try FilesFace.list(call)
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in
                    try begin(call) { (call) throws(APIError) in try FilesFace.create(call, self) }
                }
            }
        case (1, _):
            if method == .delete {
                try checkStorage()
                try FilesFace.delete(call, id: path[0])
            } else {
                try only(.get, method, also: .delete) { () throws(APIError) in try FilesFace.retrieve(call, id: path[0]) }
            }
        case (2, "content"): try only(.get, method) { () throws(APIError) in try FilesFace.content(call, id: path[0]) }
        default: throw Self.noSuchPath(call)
        }
    }

    func routeBatches(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path.count, path.count > 1 ? path[1] : "") {
        case (0, _):
            if method == .get {
                try BatchesFace.list(call)
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in try begin(call, BatchesFace.create) }
            }
        case (1, _): try only(.get, method) { () throws(APIError) in try BatchesFace.retrieve(call, id: path[0]) }
        // Also while nothing can be written: what runs is stopped, and costs nothing more.
        case (2, "cancel"): try only(.post, method) { () throws(APIError) in try BatchesFace.cancel(call, id: path[0]) }
        default: throw Self.noSuchPath(call)
        }
    }
}
