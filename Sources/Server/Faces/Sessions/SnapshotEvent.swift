import Bytes
import JSON

/// `interject:snapshot`: the truth for a reader whose place the log no longer holds.
enum SnapshotEvent {
    /// - Parameter sessionID: for envelopes that hold the event's place in its JSON.
    static func payload(_ state: [UInt8], sequence: Int, sessionID: String? = nil) -> [UInt8] {
        var buffer = ByteBuffer(capacity: state.count + 128)
        buffer.appendJSONObject { event in
            write(state, sequence: sequence, to: &event)
            guard let sessionID else { return }
            event.object("interject") {
                $0.field("session_id", sessionID)
                $0.field("sequence", sequence)
            }
        }
        return buffer.array
    }

    private static func write(_ state: [UInt8], sequence: Int, to event: inout JSONObjectWriter) {
        event.field("type", "interject:snapshot")
        event.field("recovered", false)
        state.withUnsafeBytes { event.field("session", json: $0) }
        event.field("sequence", sequence)
    }
}
