package import JSON
package import Sessions

extension CutForm {
    /// Parses the name of a form.
    /// - Parameter param: the request member that the error names.
    package static func parse(_ text: String, param: String) throws(RequestError) -> CutForm {
        guard let form = CutForm(rawValue: text) else {
            throw .invalid(
                "'\(param)' must be one of \(allCases.map(\.rawValue).joined(separator: ", ")).", param: param,
                code: "invalid_value")
        }
        return form
    }

    /// The form of a particular cut: partial tool arguments or JSON must never look complete.
    package func resolved(for cut: Cut) -> CutForm {
        guard self == .completed else { return self }
        if cut.leavesCallOpen { return .failed }
        return cut.isFormatted ? .incomplete : .completed
    }
}
