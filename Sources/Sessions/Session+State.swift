import Bytes
public import JSON

/// What has accumulated, read in one turn together with the sequence number up to which it holds: "fetch the state, then go on
/// from there" has no seam.
extension Session {
    /// The session as `GET /v1/sessions/{id}` gives it.
    public func stateJSON() -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { writeState(to: &$0) }
        return buffer.array
    }

    public func writeState(to writer: inout JSONObjectWriter) {
        writeSummary(to: &writer)
        writer.field("last_sequence_number", log.lastSequence)
        writer.field("oldest_sequence_number", log.oldestSequence)
        writer.array("items") { list in
            for item in items { list.element(item.json) }
            for item in active?.items ?? [] { list.object { item.write(to: &$0) } }
        }
        if let active {
            writer.object("active_response") { active.write(to: &$0) }
        } else {
            writer.null("active_response")
        }
        writer.array("queued") { list in
            for generation in queued {
                list.object {
                    $0.field("response_id", generation.id)
                    $0.array("items") { for item in generation.input { $0.element(item.json) } }
                }
            }
        }
        writer.array("participants") { list in
            for participant in participants { list.object { participant.write(to: &$0) } }
        }
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
