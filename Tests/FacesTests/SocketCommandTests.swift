import API
import JSON
import ResponsesWire
import Sessions
import Testing

@testable import Faces

/// Messages of a WebSocket's client.
@Suite struct SocketCommandTests {
    @Test func theNameOfAParticipantIsGivenWhenItsCommandIsCarriedOut() throws {
        // What a message says of its speaker counts only where nobody has joined: known when the command is carried out.
        let text = String(repeating: "x", count: 100_000)
        var message = #"{"type":"interject:input","session_id":"sess_1","participant":"Bob","input":"\#(text)"}"#
        let command = try message.withUTF8 { bytes in
            Result { () throws(APIError) in try SocketCommand(UnsafeRawBufferPointer(bytes)) }
        }.get()
        guard case .input(.success(let request)) = command.kind else {
            Issue.record("no input")
            return
        }
        #expect(request.encoded == nil && request.speaker == nil && request.participantName == "Bob")
    }
}
