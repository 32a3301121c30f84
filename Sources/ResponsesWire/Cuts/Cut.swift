package import JSON
package import Sessions

/// How an answer ended that somebody, or the end of the server, has cut. Ends that OpenAI has itself are none: each client knows them.
package struct Cut {
    package static let errorCode = "response_cut"

    package let status: String
    /// Of `incomplete_details`; nil of one that was cancelled.
    package let reason: Generation.IncompleteReason?
    /// It was cut within a call of a tool: part of the arguments may read as all of them.
    package let leavesCallOpen: Bool
    /// It was to be JSON.
    package let isFormatted: Bool

    /// In a sentence.
    package var message: String { "The answer was cut (\(reason?.rawValue ?? status))." }

    /// - Parameter response: a response object, from its beginning; nil when it was not cut.
    package init?(_ response: JSONReader) throws(JSONError) {
        var reader = response
        var status = ""
        var reason: String?
        var leavesCallOpen = false
        var isFormatted = false
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "status": status = try reader.readString().string()
            case "incomplete_details": reason = try reader.readValue()["reason"]?.string
            case "output":
                try reader.enterArray()
                while try reader.nextElement() {
                    let isOpen = try Self.readOpenCall(&reader)
                    leavesCallOpen = leavesCallOpen || isOpen
                }
            case "text":
                let type = try reader.readValue()["format"]?["type"]?.string
                isFormatted = type.map { $0 != "text" } ?? false
            default: try reader.skipValue()
            }
        }
        self.status = status
        self.reason = reason.flatMap(Generation.IncompleteReason.init)
        self.leavesCallOpen = leavesCallOpen
        self.isFormatted = isFormatted
        let isCut =
            switch self.reason {
            case .interrupted, .steered, .serverRestarted: true
            case .maxOutputTokens, .contentFilter, .invalidStructuredOutput: false
            case nil: status == Generation.Status.cancelled.name
            }
        if !isCut { return nil }
    }

    /// Reads an item: whether it is a call whose arguments did not come to their end.
    private static func readOpenCall(_ reader: inout JSONReader) throws(JSONError) -> Bool {
        var isCall = false
        var isIncomplete = false
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "type":
                let type = try reader.readString()
                isCall = type == "function_call" || type == "custom_tool_call"
            case "status": isIncomplete = try reader.readStringOrNull().map { $0 == "incomplete" } ?? false
            default: try reader.skipValue()
            }
        }
        return isCall && isIncomplete
    }
}
