public import JSON

/// A validated line of an input file.
public struct BatchRequest: Sendable {
    /// The client's identifier, unique within the batch.
    public var customID: String
    public var endpoint: BatchEndpoint
    /// The request body.
    public var body: JSONObject
    /// The requested model.
    public var model: String

    /// Parses and validates a line.
    /// - Throws: the fault, without a line number.
    init(_ line: [UInt8], endpoint: BatchEndpoint, limits: BatchLimits) throws(Batch.Fault) {
        let object: JSONObject
        do {
            guard let read = try JSONValue.parse(line, limits: .received).object else {
                throw Batch.Fault(code: "invalid_json_line", message: "This line is not a JSON object.")
            }
            object = read
        } catch let fault as Batch.Fault {
            throw fault
        } catch {
            throw Batch.Fault(code: "invalid_json_line", message: "This line is not parseable as valid JSON: \(error)")
        }
        customID = try Self.string(object, "custom_id")
        guard customID.utf8.count <= limits.maxCustomIDBytes else {
            throw Batch.Fault(
                code: "invalid_value", message: "'custom_id' is longer than \(limits.maxCustomIDBytes) bytes.", param: "custom_id")
        }
        guard try Self.string(object, "method") == "POST" else {
            throw Batch.Fault(code: "invalid_method", message: "'method' must be POST.", param: "method")
        }
        guard try Self.string(object, "url") == endpoint.rawValue else {
            throw Batch.Fault(
                code: "url_mismatch", message: "'url' must be \(endpoint.rawValue), the endpoint of the batch.", param: "url")
        }
        guard let body = object["body"] else { throw Self.missing("body") }
        guard let members = body.object else {
            throw Batch.Fault(code: "invalid_type", message: "'body' must be an object.", param: "body")
        }
        guard let model = members["model"] else { throw Self.missing("body.model") }
        guard let name = model.string, !name.isEmpty else {
            throw Batch.Fault(code: "invalid_type", message: "'body.model' must be the name of a model.", param: "body.model")
        }
        for key in ["stream", "background"] where members[key]?.bool == true {
            throw Batch.Fault(
                code: "unsupported_parameter", message: "'\(key)' must not be true in a batch.", param: "body.\(key)")
        }
        self.endpoint = endpoint
        self.body = members
        self.model = name
    }

    private static func string(_ object: JSONObject, _ key: String) throws(Batch.Fault) -> String {
        guard let value = object[key], !value.isNull else { throw missing(key) }
        guard let string = value.string, !string.isEmpty else {
            throw Batch.Fault(code: "invalid_type", message: "'\(key)' must be a non-empty string.", param: key)
        }
        return string
    }

    private static func missing(_ name: String) -> Batch.Fault {
        Batch.Fault(code: "missing_required_parameter", message: "Missing required parameter: '\(name)'.", param: name)
    }
}
