package import JSON
package import Sessions

extension CutForm {
    /// - Parameter param: what the error names.
    package static func parse(_ text: String, param: String) throws(RequestError) -> CutForm {
        guard let form = CutForm(rawValue: text) else {
            throw .invalid(
                "'\(param)' must be one of \(allCases.map(\.rawValue).joined(separator: ", ")).", param: param,
                code: "invalid_value")
        }
        return form
    }

    /// The form of one cut: of half a call or half an object nobody may believe that it is whole.
    package func resolved(for cut: Cut) -> CutForm {
        guard self == .completed else { return self }
        if cut.leavesCallOpen { return .failed }
        return cut.isFormatted ? .incomplete : .completed
    }
}
