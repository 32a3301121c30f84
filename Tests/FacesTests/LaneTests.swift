import JSON
import ResponsesWire
import Sessions
import Testing

@testable import Faces

/// What waits in a lane of a WebSocket.
@Suite struct LaneTests {
    private func command(_ text: String, byteCount: Int) throws -> CreateCommand {
        try CreateCommand(["model": "m", "input": .string(text)], byteCount: byteCount)
    }

    @Test func whatWaitsIsCountedUntilItsTurn() throws {
        let lane = Lane(streamID: nil)
        try lane.wait(try command("one", byteCount: 10))
        try lane.wait(try command("two", byteCount: 20))
        #expect(lane.waitingByteCount == 30)
        #expect(lane.nextCommand()?.byteCount == 10 && lane.waitingByteCount == 20)
        #expect(lane.nextCommand()?.byteCount == 20 && lane.waitingByteCount == 0)
        #expect(lane.nextCommand() == nil)
    }

    @Test func whatWaitsHasNoSecondCopyOfItsItems() throws {
        let large = try command(String(repeating: "x", count: 100_000), byteCount: 100_050)
        #expect(large.request.encoded != nil)
        let lane = Lane(streamID: nil)
        try lane.wait(large)
        let next = try #require(lane.nextCommand())
        #expect(next.request.encoded == nil && next.request.isLarge && next.request.items.count == 1)
    }
}
