import Bytes
import JSON

/// `interject:snapshot`: the truth for a reader whose place the log no longer holds.
enum SnapshotEvent {
    static func payload(_ state: [UInt8], sequence: Int) -> [UInt8] {
        var buffer = ByteBuffer(capacity: state.count + 128)
        buffer.appendJSONObject { write(state, sequence: sequence, to: &$0) }
        return buffer.array
    }

    static func write(_ state: [UInt8], sequence: Int, to event: inout JSONObjectWriter) {
        event.field("type", "interject:snapshot")
        event.field("recovered", false)
        state.withUnsafeBytes { event.field("session", json: $0) }
        event.field("sequence", sequence)
    }
}
