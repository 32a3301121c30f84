package import JSON
package import Sessions

/// The `interject` object of a request body: `Protocols/sessions.md`.
package struct InterjectMembers: Sendable {
    /// The interjection mode; nil for the session's default.
    package var mode: InterjectionMode?
    /// The disconnect policy; nil for the session's default.
    package var policy: DisconnectPolicy?
    /// The session that the input belongs to; nil for a new one.
    package var sessionID: String?
    /// How the reader is told of a cut, for calls that both submit and read.
    package var cutForm: CutForm?

    /// Parses the object; a missing or null one has no members.
    package init(_ value: JSONValue?) throws(RequestError) {
        let value = value ?? [:]
        guard let object = value.isNull ? [:] : value.object else {
            throw .invalid("'interject' must be an object.", param: "interject")
        }
        try self.init(object, prefix: "interject.")
        if let text = try object.optionalString("cut_as") { cutForm = try CutForm.parse(text, param: "interject.cut_as") }
    }

    /// - Parameter prefix: prefix of the members' names in errors.
    package init(_ object: JSONObject, prefix: String = "") throws(RequestError) {
        if let name = try object.optionalString("mode") {
            guard let mode = InterjectionMode(rawValue: name) else {
                throw .invalid(
                    "'\(prefix)mode' must be one of \(InterjectionMode.allCases.map(\.rawValue).joined(separator: ", ")).",
                    param: prefix + "mode")
            }
            self.mode = mode
        }
        if let text = try object.optionalString("disconnect") {
            policy = try DisconnectPolicy.parse(text, param: prefix + "disconnect")
        }
        sessionID = try object.optionalString("session_id")
    }
}

extension DisconnectPolicy {
    /// Parses a disconnect policy.
    /// - Parameter param: the request member that the error names.
    package static func parse(_ text: String, param: String) throws(RequestError) -> DisconnectPolicy {
        guard let policy = DisconnectPolicy(text: text) else {
            throw .invalid("'\(param)' must be 'cancel', 'continue' or 'grace=SECONDS'.", param: param)
        }
        return policy
    }
}
