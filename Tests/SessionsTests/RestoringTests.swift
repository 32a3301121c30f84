import JSON
import Sessions
import Testing

@Suite struct RestoringTests {
    private func record(_ id: String, _ status: Generation.Status) -> GenerationRecord {
        GenerationRecord(
            id: id, ordinal: Int(id.dropFirst("resp_".count)) ?? 0, createdAt: 1, completedAt: nil,
            parameters: ResponseParameters(model: "m"), previousResponseID: nil,
            policy: .continuing, input: [.userMessage(id)], output: [], status: status, usage: nil, deltaCount: 0,
            conversationItemCount: nil, firstSequence: 1, eventCount: 1, continuesLastMessage: false, route: ResponseRoute())
    }

    private func restore(_ generations: [GenerationRecord], maxResponses: Int, on host: FakeHost) throws -> Session {
        let record = SessionRecord(
            id: "sess_1", owner: "ann", createdAt: 1, defaults: ResponseParameters(model: "m"), mode: .queue, policy: .continuing,
            metadata: [:], forkedFrom: nil)
        let stored = StoredSession(
            record: record, items: [], generations: generations, headers: [:], unfinishedEvents: [:], newestOrdinal: 5)
        var limits = SessionLimits()
        limits.maxResponses = maxResponses
        return try Session(restoring: stored, host: host, log: SessionLog(maxByteCount: 1 << 20), limits: limits)
    }

    @Test func ofTooManyResponsesTheNewestAreFound() throws {
        let host = FakeHost()
        let all = (1...5).map { record("resp_\($0)", .completed) }
        #expect(try restore(all, maxResponses: 2, on: host).generations.map(\.id) == ["resp_4", "resp_5"])
        #expect(try restore(all, maxResponses: 5, on: host).generations.count == 5)
    }

    @Test func whatHasNotEndedIsNeverForgotten() throws {
        let host = FakeHost()
        let session = try restore(
            [record("resp_1", .inProgress), record("resp_2", .completed), record("resp_3", .queued)], maxResponses: 1, on: host)
        #expect(session.generations.map(\.id) == ["resp_1", "resp_3"])
        #expect(session.active?.id == "resp_1")
        #expect(session.queued.map(\.id) == ["resp_3"])
    }
}
