import Bytes
public import JSON

/// The session's contents, read in the same iteration as the sequence number of their last event: "fetch the state, then resume"
/// has no seam.
extension Session {
    /// The session as in `GET /v1/sessions/{id}`, encoded now: for a session that is known to be small, or where no event may come
    /// in between.
    public func stateJSON() -> [UInt8] { state.json }

    /// The current state of the session.
    public var state: SessionState {
        SessionState(record, log, conversation, queue, participants: participants)
    }

    /// Writes the session without its contents.
    public func writeSummary(to writer: inout JSONObjectWriter) {
        record.write(isGenerating: active != nil, to: &writer)
    }
}

extension SessionRecord {
    /// Writes the session without its contents.
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
