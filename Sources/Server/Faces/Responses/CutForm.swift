import HTTP
import Sessions

/// How a reader is told that an answer was cut: `Protocols/clients.md`.
///
/// The log holds one truth. This is the form of one reader's copy of it: a pure function of the event and the reader's choice, so
/// that two readers of one response may have two forms, and one may change its own from call to call.
public enum CutForm: String, CaseIterable, Sendable {
    /// As it stands in the log: `response.incomplete` with our reasons, `response.cancelled`.
    case native
    /// As an answer that came to its end, for helpers that raise at every other end and lose the text with it. Only of prose: what a
    /// program would take for the whole is told by one of the other two.
    case completed
    /// As an answer that ran into its token limit: in OpenAI's own words.
    case incomplete
    /// As an answer that failed, for loops that must not go on.
    case failed

    static let headerName = "interject-cut-as"

    /// - Parameter param: what the error names.
    static func parse(_ text: String, param: String) throws(APIError) -> CutForm {
        guard let form = CutForm(rawValue: text) else {
            throw .invalid(
                "'\(param)' must be one of \(allCases.map(\.rawValue).joined(separator: ", ")).", param: param,
                code: "invalid_value")
        }
        return form
    }

    /// The form of one cut: of half a call or half an object nobody may believe that it is whole.
    func resolved(for cut: Cut) -> CutForm {
        guard self == .completed else { return self }
        if cut.leavesCallOpen { return .failed }
        return cut.isFormatted ? .incomplete : .completed
    }
}

extension Call {
    /// The form by body, header, key or setting.
    func cutForm(_ members: InterjectMembers? = nil) throws(APIError) -> CutForm {
        // A header that is wrong is refused also where it does not count.
        let named = try request.fields[CutForm.headerName].map { (text) throws(APIError) in
            try CutForm.parse(text, param: "Interject-Cut-As")
        }
        return members?.cutForm ?? named ?? caller.cutForm
    }
}

extension APIError {
    /// A cut, for clients that want it to be an error. The status is one that SDKs do not act on by asking again, as it is told.
    static func cut(_ cut: Cut, responseID: String) -> APIError {
        APIError(
            status: .conflict, message: "\(cut.message) What it had said stands in GET /v1/responses/\(responseID).",
            code: Cut.errorCode)
    }
}
