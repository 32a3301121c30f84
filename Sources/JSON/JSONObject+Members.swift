/// Reading members of a request body, with errors that name them.
extension JSONObject {
    /// The string; nil when the member is missing or null.
    package func optionalString(_ key: String) throws(RequestError) -> String? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let string = value.string else { throw .invalid("'\(key)' must be a string.", param: key, code: "invalid_type") }
        return string
    }

    /// The boolean; nil when the member is missing or null.
    package func optionalBool(_ key: String) throws(RequestError) -> Bool? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let bool = value.bool else { throw .invalid("'\(key)' must be true or false.", param: key, code: "invalid_type") }
        return bool
    }

    /// The object; nil when the member is missing or null.
    package func optionalObject(_ key: String) throws(RequestError) -> JSONObject? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let object = value.object else { throw .invalid("'\(key)' must be an object.", param: key, code: "invalid_type") }
        return object
    }

    /// The whole number of zero or more; nil when the member is missing or null.
    package func optionalCount(_ key: String) throws(RequestError) -> Int? {
        guard let value = self[key], !value.isNull else { return nil }
        guard let number = value.int, number >= 0 else {
            throw .invalid("'\(key)' must be a whole number of 0 or more.", param: key, code: "invalid_type")
        }
        return number
    }

    /// Checks a number, where there is one, against the range of its member.
    package func checkNumber(_ key: String, _ range: ClosedRange<Double>) throws(RequestError) {
        guard let value = self[key], !value.isNull else { return }
        guard let number = value.double, range.contains(number) else {
            throw .invalid("'\(key)' must be a number from \(range.lowerBound) to \(range.upperBound).", param: key)
        }
    }
}
