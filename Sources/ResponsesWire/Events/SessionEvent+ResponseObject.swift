import Bytes
import JSON
package import Sessions

extension SessionEvent {
    /// The response object of an event that begins or ends a response, as JSON; nil for other events.
    package var responseObject: [UInt8]? {
        guard let header = response, let state = responseState else { return nil }
        var buffer = ByteBuffer(capacity: encodedByteCount)
        buffer.appendJSONObject { state.write(header, to: &$0) }
        return buffer.array
    }
}
