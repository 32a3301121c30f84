import HTTP
package import Sessions

extension SessionCommand.ItemRange {
    /// The page of a list that a call asks for: `limit`, `order`, `after`.
    package init(_ call: Call) throws(APIError) {
        let limit = try call.limit(default: 20, max: 100)
        let isAscending: Bool
        switch call.query["order"] ?? "desc" {
        case "asc": isAscending = true
        case "desc": isAscending = false
        default: throw .invalid("'order' must be 'asc' or 'desc'.", param: "order", code: "invalid_value")
        }
        self.init(limit: limit, isAscending: isAscending, after: call.query["after"])
    }
}
