package import JSON
package import Sessions

/// The end of a response that was cut off, by a participant or by the end of the server. OpenAI's own kinds of ends are not cuts:
/// every client knows them.
package struct Cut {
    /// Code of the error for a cut.
    package static let errorCode = "response_cut"

    /// The status of the response.
    package let status: String
    /// From `incomplete_details`; nil if the response was cancelled.
    package let reason: Generation.IncompleteReason?
    /// Whether a tool call was cut off: its partial arguments may look complete.
    package let leavesCallOpen: Bool
    /// Whether the text was required to be JSON.
    package let isFormatted: Bool

    /// The cut as a sentence.
    package var message: String { "The answer was cut (\(reason?.rawValue ?? status))." }

    /// - Parameter response: a response object, from its beginning; nil if the response was not cut off.
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

    /// Reads an item: whether it is a tool call with incomplete arguments.
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
