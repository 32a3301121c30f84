import JSON
import Sessions

/// Reading members of a request body, with errors that name them.
extension JSONObject {
    /// The string; nil when the member is missing or null.
    func optionalString(_ key: String) throws(APIError) -> String? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let string = value.string else { throw .invalid("'\(key)' must be a string.", param: key, code: "invalid_type") }
        return string
    }

    func optionalBool(_ key: String) throws(APIError) -> Bool? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let bool = value.bool else { throw .invalid("'\(key)' must be true or false.", param: key, code: "invalid_type") }
        return bool
    }

    func optionalObject(_ key: String) throws(APIError) -> JSONObject? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let object = value.object else { throw .invalid("'\(key)' must be an object.", param: key, code: "invalid_type") }
        return object
    }

    /// A whole number of zero or more.
    func optionalCount(_ key: String) throws(APIError) -> Int? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let number = value.int, number >= 0 else {
            throw .invalid("'\(key)' must be a whole number of 0 or more.", param: key, code: "invalid_type")
        }
        return number
    }

    /// A position in a session's log: a whole number of zero or more, or a string with the epoch before it.
    func optionalPosition(_ key: String) throws(APIError) -> LogPosition? {
        guard let value = self[key], !value.isNull else { return nil }
        if let number = value.int, number >= 0 { return LogPosition(sequence: number) }
        guard let position = value.string.flatMap({ LogPosition($0) }) else {
            throw .invalid(
                "'\(key)' must be a session sequence number, or a string with the epoch before it, like \"2:41\".", param: key,
                code: "invalid_type")
        }
        return position
    }

    func checkNumber(_ key: String, _ range: ClosedRange<Double>) throws(APIError) {
        guard let value = self[key], !value.isNull else { return }
        guard let number = value.double, range.contains(number) else {
            throw .invalid("'\(key)' must be a number from \(range.lowerBound) to \(range.upperBound).", param: key)
        }
    }
}

/// The `interject` object of a request body: `Protocols/sessions.md`.
struct InterjectMembers: Sendable {
    var mode: InterjectionMode?
    var policy: DisconnectPolicy?
    var sessionID: String?
    /// How the answer's reader is told of a cut, where one call both asks and reads.
    var cutForm: CutForm?

    init(_ value: JSONValue?) throws(APIError) {
        let value = value ?? [:]
        guard let object = value.isNull ? [:] : value.object else {
            throw .invalid("'interject' must be an object.", param: "interject")
        }
        try self.init(object, prefix: "interject.")
        if let text = try object.optionalString("cut_as") { cutForm = try CutForm.parse(text, param: "interject.cut_as") }
    }

    /// - Parameter prefix: what stands before the members' names in errors.
    init(_ object: JSONObject, prefix: String = "") throws(APIError) {
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
    static let headerName = "interject-on-disconnect"

    static func parse(_ text: String, param: String) throws(APIError) -> DisconnectPolicy {
        guard let policy = DisconnectPolicy(text: text) else {
            throw .invalid("'\(param)' must be 'cancel', 'continue' or 'grace=SECONDS'.", param: param)
        }
        return policy
    }
}
