import JSON
import Sessions
import Testing

@testable import Server

/// What somebody says in a session, made ready for its loop.
@Suite struct SessionInputTests {
    private func input(_ byteCount: Int) throws -> SessionInput {
        try SessionInput(["input": .string(String(repeating: "x", count: byteCount))])
    }

    @Test func aLargeOneIsEncodedWithTheNameOfWhoSaysIt() throws {
        let spoken = try input(100_000).prepared().spoken(by: "Ann")
        #expect(spoken.encoded != nil && spoken.speaker == "Ann")
        #expect(spoken.items.map { $0.body["name"]?.string } == ["Ann"])
    }

    @Test func aSmallOneIsEncodedWithItsEvent() throws {
        let spoken = try input(100).prepared().spoken(by: "Ann")
        #expect(spoken.encoded == nil && !spoken.isLarge)
    }

    @Test func whoeverHasJoinedGivesItsName() throws {
        // What a message says of its speaker counts only where nobody has joined: known when it is its turn.
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
