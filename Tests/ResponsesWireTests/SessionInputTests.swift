import JSON
import ResponsesWire
import Sessions
import Testing

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
}
