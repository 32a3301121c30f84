import Bytes
public import JSON

/// A step of an agent on its way to the response: `step` of an `interject:step` event.
///
/// A step is reported each time it changes; the newest report with its ``id`` counts.
public struct Step: Sendable, Hashable {
    /// The status of a step.
    public enum Status: String, Sendable, CaseIterable {
        case inProgress = "in_progress"
        case completed, failed
    }

    /// Limits of reported steps.
    public enum Limits {
        /// Maximum size of `id`, `kind`, `name` and `parent_id`, each in bytes.
        public static let maxNameBytes = 128
        /// Maximum size of `title` in bytes.
        public static let maxTitleBytes = 1024
        /// Maximum size of `detail` as JSON, in bytes.
        public static let maxDetailBytes = 8192
        /// Maximum number of steps in one response.
        public static let maxCount = 256
    }

    /// Identifier of the step, unique within the response.
    public var id: String
    /// `tool`, `retrieval`, `progress`, or any other word.
    public var kind: String
    /// Name of the tool, for example.
    public var name: String?
    /// The step's status.
    public var status: Status
    /// For people: "found 12 results".
    public var title: String?
    /// Further data of the runner.
    public var detail: JSONValue?
    /// The step that it is a part of.
    public var parentID: String?

    /// A step with these members.
    public init(
        id: String, kind: String, name: String? = nil, status: Status, title: String? = nil, detail: JSONValue? = nil,
        parentID: String? = nil
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.status = status
        self.title = title
        self.detail = detail
        self.parentID = parentID
    }

    /// Writes its members.
    public func write(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("kind", kind)
        writer.field("name", name)
        writer.field("status", status.rawValue)
        writer.field("title", title)
        writer.field("detail", detail ?? .null)
        writer.field("parent_id", parentID)
    }

    /// Decodes the output of ``write(to:)``.
    /// - Throws: ``JSON/JSONRecord/Malformed`` for anything else.
    public init(_ value: JSONValue) throws {
        let record = try JSONRecord(value, of: "step")
        self.init(
            id: try record.required("id", \.string), kind: try record.required("kind", \.string),
            name: try record.optional("name", \.string), status: try record.required("status") { $0.string.flatMap(Status.init) },
            title: try record.optional("title", \.string), detail: try record.optional("detail") { $0 },
            parentID: try record.optional("parent_id", \.string))
    }
}

extension Generation {
    /// Reports a step of the agent behind the model: `interject:step`.
    ///
    /// Steps accompany the output: they neither open nor close items.
    /// - Returns: false if the response has the maximum number of steps; nothing is reported then.
    @discardableResult
    public func step(_ step: Step) -> Bool {
        guard isActive else { return true }
        guard take(step) else { return false }
        accept()
        let before = log.endOffset
        emit(.step) { body in body.append(json: { json in json.appendJSONObject { step.write(to: &$0) } }) }
        countOutput(bytes: log.endOffset - before)
        return true
    }

    /// Whether another step, or an update of a known one, can be reported.
    public func hasRoom(forSteps ids: some Sequence<String>) -> Bool {
        let known = Set(steps.map(\.id))
        return Set(ids).subtracting(known).count + known.count <= Step.Limits.maxCount
    }

    /// Stores the newest report of a step.
    @discardableResult
    func take(_ step: Step) -> Bool {
        if let place = steps.lastIndex(where: { $0.id == step.id }) {
            steps[place] = step
        } else if steps.count < Step.Limits.maxCount {
            steps.append(step)
        } else {
            return false
        }
        return true
    }
}
