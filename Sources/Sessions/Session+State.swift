import Bytes
public import JSON

/// What has accumulated, read in one turn together with the sequence number up to which it holds: "fetch the state, then go on
/// from there" has no seam.
extension Session {
    /// The session as `GET /v1/sessions/{id}` gives it, encoded now: for one that is known to be small, or where nothing may come
    /// between.
    public func stateJSON() -> [UInt8] { state.json }

    /// The session as it stands.
    public var state: SessionState {
        SessionState(record, log, conversation, queue, participants: participants)
    }

    /// The session without its contents.
    public func writeSummary(to writer: inout JSONObjectWriter) {
        record.write(isGenerating: active != nil, to: &writer)
    }
}

extension SessionRecord {
    /// A session without its contents.
    public func write(isGenerating: Bool, to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("object", "session")
        writer.field("created_at", createdAt)
        writer.field("status", isGenerating ? "generating" : "idle")
        writer.field("model", defaults.model)
        writer.field("mode", mode.rawValue)
        writer.field("disconnect", policy.text)
        writer.field("forked_from", forkedFrom)
        writer.field("metadata", metadata)
    }
}
