import Sessions
import Testing

/// What a session keeps is bounded, however long it lives.
@Suite struct ConversationLimitTests {
    @Test func aConversationThatIsTooLongTakesNoMore() throws {
        var limits = SessionLimits()
        limits.maxConversationBytes = 10_000
        let fixture = Fixture(limits: limits)
        let text = String(repeating: "x", count: 3_000)
        for _ in 0..<3 {
            try fixture.submit(text).generation.finish(.stop)
        }
        #expect(throws: SessionError.conversationTooLarge(limitBytes: 10_000)) { try fixture.submit(text) }
        try fixture.submit("short").generation.finish(.stop)
        checkInvariants(fixture)
    }

    @Test func whatWaitsCountsToo() throws {
        var limits = SessionLimits()
        limits.maxConversationBytes = 10_000
        let fixture = Fixture(mode: .queue, limits: limits)
        let text = String(repeating: "x", count: 3_000)
        for _ in 0..<3 { try fixture.submit(text) }
        #expect(throws: SessionError.conversationTooLarge(limitBytes: 10_000)) { try fixture.submit(text) }
    }

    @Test func aModelThatNeverEndsIsStopped() throws {
        var limits = SessionLimits()
        limits.maxOutputBytes = 1_000
        let fixture = Fixture(limits: limits)
        let generation = try fixture.submit("go").generation
        for _ in 0..<300 { generation.say("12345678") }
        #expect(generation.status == .incomplete(.maxOutputTokens))
        #expect(fixture.model.calls[0].cancelCount == 1)
        #expect(fixture.session.items.last?.text.utf8.count == 1_008)
        checkInvariants(fixture)
    }

    @Test func oldResponsesAreForgotten() throws {
        var limits = SessionLimits()
        limits.maxResponses = 3
        let fixture = Fixture(limits: limits)
        var ids: [String] = []
        for number in 0..<6 {
            let generation = try fixture.submit("\(number)").generation
            ids.append(generation.id)
            generation.finish(.stop)
        }
        #expect(fixture.session.generations.map(\.id) == Array(ids.suffix(3)))
        #expect(fixture.session.items.count == 6)
    }
}
