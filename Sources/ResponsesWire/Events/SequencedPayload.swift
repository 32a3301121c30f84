package import Bytes
package import Sessions

/// An event's JSON with its position in the session's log: `"interject":{"session_id":…,"sequence":41}`, or, unless the epoch is 0,
/// `"sequence":41,"epoch":2`.
///
/// The JSON is shared by all readers; the position is inserted before its closing brace.
package enum SequencedPayload {
    /// Appends the event's JSON with its position.
    package static func append(_ event: SessionEvent, json: UnsafeRawBufferPointer, sessionID: String, to output: inout ByteBuffer)
    {
        output.append(UnsafeRawBufferPointer(rebasing: json.dropLast()))
        appendPosition(event, sessionID: sessionID, to: &output)
        output.append("}" as StaticString)
    }

    /// Appends only the member with the position, preceded by a comma.
    package static func appendPosition(_ event: SessionEvent, sessionID: String, to output: inout ByteBuffer) {
        // As in the encoder: the number has 20 digits at most.
        output.reserve(64 + sessionID.utf8.count)
        output.append(reserved: ",\"interject\":{\"session_id\":\"")
        output.append(sessionID)
        output.append(reserved: "\",\"sequence\":")
        output.append(decimal: event.position)
        let epoch = event.logPosition.epoch
        if epoch != 0 {
            output.append(",\"epoch\":" as StaticString)
            output.append(decimal: epoch)
        }
        if let first = event.mergedFrom {
            output.append(",\"merged_from\":" as StaticString)
            output.append(decimal: first)
        }
        output.append("}" as StaticString)
    }

    /// For envelopes with a position of their own: appends the JSON of merged deltas with only `merged_from`.
    package static func append(
        _ event: SessionEvent, mergedFrom first: Int, json: UnsafeRawBufferPointer, to output: inout ByteBuffer
    ) {
        output.append(UnsafeRawBufferPointer(rebasing: json.dropLast()))
        output.append(",\"interject\":{\"merged_from\":" as StaticString)
        output.append(decimal: first)
        output.append("}}" as StaticString)
    }
}
