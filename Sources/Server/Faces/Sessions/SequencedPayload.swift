import Bytes
import Sessions

/// An event's JSON with its place in the session's log: `"interject":{"session_id":…,"sequence":41}`.
///
/// The payload is shared by all readers; what is particular to the envelope is put in front of its closing brace.
enum SequencedPayload {
    static func append(_ event: LogEvent, sessionID: String, to output: inout ByteBuffer) {
        event.payload.withUnsafeBytes { output.append(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
        appendPlace(event, sessionID: sessionID, to: &output)
        output.append("}" as StaticString)
    }

    /// The member alone, with a comma before it.
    static func appendPlace(_ event: LogEvent, sessionID: String, to output: inout ByteBuffer) {
        output.append(",\"interject\":{\"session_id\":\"" as StaticString)
        output.append(sessionID)
        output.append("\",\"sequence\":" as StaticString)
        output.append(decimal: event.sequence)
        if let first = event.mergedFrom {
            output.append(",\"merged_from\":" as StaticString)
            output.append(decimal: first)
        }
        output.append("}" as StaticString)
    }

    /// For envelopes that hold the place themselves: the payload, and in it only what they do not say.
    static func append(_ event: LogEvent, to output: inout ByteBuffer) {
        guard let first = event.mergedFrom else {
            output.append(event.payload)
            return
        }
        event.payload.withUnsafeBytes { output.append(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
        output.append(",\"interject\":{\"merged_from\":" as StaticString)
        output.append(decimal: first)
        output.append("}}" as StaticString)
    }
}
