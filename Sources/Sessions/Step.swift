import Bytes
public import JSON

/// What an agent does on the way to its answer: `step` of an `interject:step` event.
///
/// A step is told of as often as it changes; the newest word on it, by ``id``, counts.
public struct Step: Sendable, Hashable {
    public enum Status: String, Sendable, CaseIterable {
        case inProgress = "in_progress"
        case completed, failed
    }

    /// Bounds of what is told of steps.
    public enum Limits {
        /// Bytes of `id`, `kind`, `name` and `parent_id`, each.
        public static let maxNameBytes = 128
        /// Bytes of `title`.
        public static let maxTitleBytes = 1024
        /// Bytes of `detail` as JSON.
        public static let maxDetailBytes = 8192
        /// Steps of one response.
        public static let maxCount = 256
    }

    public var id: String
    /// `tool`, `retrieval`, `progress`, or another word.
    public var kind: String
    public var name: String?
    public var status: Status
    /// For people: "found 12 results".
    public var title: String?
    /// Whatever else the runner tells.
    public var detail: JSONValue?
    /// The step that it is a part of.
    public var parentID: String?

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

    /// As ``write(to:)`` wrote it.
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
    /// The agent behind the model tells of a step: `interject:step`.
    ///
    /// Steps stand beside the output: no item is opened or closed by one.
    /// - Returns: false when the response has as many steps as it may; nothing is told then.
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

    /// Whether another step, or a new word on a known one, can be told.
    public func hasRoom(forSteps ids: some Sequence<String>) -> Bool {
        let known = Set(steps.map(\.id))
        return Set(ids).subtracting(known).count + known.count <= Step.Limits.maxCount
    }

    /// Remembers the newest word on a step.
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
