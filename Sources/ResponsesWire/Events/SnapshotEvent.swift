import Bytes
import JSON
package import Sessions

/// `interject:snapshot`: the state of the session, for a reader whose next event is no longer in the log.
package enum SnapshotEvent {
    /// The event as JSON.
    /// - Parameter sessionID: for envelopes that expect the position within the event's JSON.
    package static func payload(_ state: [UInt8], at position: LogPosition, sessionID: String? = nil) -> [UInt8] {
        var buffer = ByteBuffer(capacity: state.count + 128)
        buffer.appendJSONObject { event in
            write(state, at: position, to: &event)
            guard let sessionID else { return }
            event.object("interject") {
                $0.field("session_id", sessionID)
                $0.field("sequence", position.sequence)
                $0.field(epochOf: position)
            }
        }
        return buffer.array
    }

    private static func write(_ state: [UInt8], at position: LogPosition, to event: inout JSONObjectWriter) {
        event.field("type", "interject:snapshot")
        event.field("recovered", false)
        state.withUnsafeBytes { event.field("session", json: $0) }
        event.field("sequence", position.sequence)
        event.field(epochOf: position)
    }
}
