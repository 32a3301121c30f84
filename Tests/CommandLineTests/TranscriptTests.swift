import JSON
import Sessions
import Testing

@testable import interject

/// What a client makes of a log.
@Suite struct TranscriptTests {
    /// Feeds events as JSON texts, numbered from 1.
    private func parts(of events: [JSONValue], in transcript: inout Transcript) -> [Transcript.Part] {
        var parts: [Transcript.Part] = []
        for event in events {
            var event = event
            event["interject"] = ["sequence": JSONValue(transcript.lastPosition.sequence + 1)]
            let (read, position) = SessionEvent.read(event)
            parts += transcript.receive(read, position: position)
        }
        return parts
    }

    private func created(_ id: String) -> JSONValue { ["type": "response.created", "response": ["id": JSONValue(id)]] }
    private func delta(_ text: String) -> JSONValue { ["type": "response.output_text.delta", "delta": JSONValue(text)] }
    private func ended(_ id: String, _ status: String, _ reason: String? = nil) -> JSONValue {
        [
            "type": JSONValue("response.\(status)"),
            "response": [
                "id": JSONValue(id), "status": JSONValue(status),
                "incomplete_details": reason.map { ["reason": JSONValue($0)] } ?? .null,
            ],
        ]
    }
    private func accepted(_ text: String, mode: String = "none", cut: JSONValue = .null, response: String) -> JSONValue {
        [
            "type": "interject:input.accepted", "mode": JSONValue(mode), "interrupted": cut, "response_id": JSONValue(response),
            "items": [["type": "message", "content": [["type": "input_text", "text": JSONValue(text)]]]],
            "participant": ["id": "p", "name": "Ada"], "client_event_id": "c",
        ]
    }

    @Test func stepsOfAnAgentAreShown() {
        var transcript = Transcript()
        func step(_ title: JSONValue) -> JSONValue { ["type": "interject:step", "step": ["name": "search", "title": title]] }
        let shown = parts(
            of: [created("r1"), step("searching"), step(.null), delta("Found."), ended("r1", "completed")], in: &transcript)
        #expect(shown.contains(.note("[searching]")) && shown.contains(.note("[search]")))
    }

    @Test func whatIsCancelledWhileItWaitsDoesNotCutTheAnswerThatRuns() {
        var transcript = Transcript()
        let waiting: JSONValue = ["type": "response.created", "response": ["id": "r2", "status": "queued"]]
        let shown = parts(
            of: [
                created("r1"), delta("One"), accepted("And?", mode: "queue", response: "r2"), waiting, ended("r2", "cancelled"),
                ["type": "interject:cancelled", "response_id": "r2", "reason": "cancel"],
            ], in: &transcript)
        #expect(shown.last == .note("[a queued message was cancelled]"))
        #expect(transcript.activeResponseID == "r1" && transcript.activeTokens == 1)
        let rest = parts(
            of: [
                delta(" two"), ended("r1", "cancelled"), ["type": "interject:cancelled", "response_id": "r1", "reason": "cancel"],
            ], in: &transcript)
        #expect(rest == [.text(" two"), .endOfAnswer, .note("[cancelled after 2 tokens]")])
        #expect(transcript.pendingResponseIDs.isEmpty)
    }

    @Test func anInterjectionShowsWhatWasKept() {
        var transcript = Transcript()
        transcript.sent(clientEventID: "c", text: "Stop")
        #expect(!transcript.isIdle)
        let cut: JSONValue = ["response_id": "r1", "item_id": "m", "output_text": "One two three", "output_tokens": 3]
        let shown = parts(
            of: [
                created("r1"), delta("One"), delta(" two"), delta(" three"), ended("r1", "incomplete", "interrupted"),
                accepted("Stop", mode: "interrupt", cut: cut, response: "r2"), created("r2"), delta("Yes"),
                ended("r2", "completed"),
            ], in: &transcript)
        #expect(
            shown == [
                .text("One"), .text(" two"), .text(" three"), .endOfAnswer, .note("[cut: kept 3 tokens \"One two three\"]"),
                .input(name: "Ada", text: "Stop"), .text("Yes"), .endOfAnswer,
            ])
        #expect(transcript.isIdle && transcript.lastPosition.sequence == 9)
    }

    @Test func aRollbackSaysThatNothingIsKept() {
        var transcript = Transcript()
        let cut: JSONValue = ["output_text": "One", "output_tokens": 1]
        let shown = parts(of: [accepted("Again", mode: "rollback", cut: cut, response: "r")], in: &transcript)
        #expect(shown.first == .note("[cut: 1 token dropped]"))
    }

    @Test func nothingIsShownTwiceAfterAReconnection() {
        var transcript = Transcript()
        #expect(transcript.receive(.delta("a"), position: LogPosition(sequence: 1)) == [.text("a")])
        #expect(transcript.receive(.delta("a"), position: LogPosition(sequence: 1)) == [])
        #expect(transcript.receive(.delta("b"), position: LogPosition(sequence: 2)) == [.text("b")])
    }

    @Test func aSnapshotOfAnEarlierPlaceTakesBackWhatIsLost() {
        var transcript = Transcript()
        #expect(transcript.receive(.delta("a"), position: LogPosition(sequence: 90)) == [.text("a")])
        let (snapshot, position) = SessionEvent.read([
            "type": "interject:snapshot", "recovered": false, "sequence": 80, "interject": ["sequence": 80],
            "session": ["active_response": .null, "queued": []],
        ])
        #expect(transcript.receive(snapshot, position: position).count == 2)
        let (event, next) = SessionEvent.read([
            "type": "response.output_text.delta", "delta": "b", "interject": ["sequence": 81, "epoch": 1],
        ])
        #expect(transcript.receive(event, position: next) == [.text("b")])
        #expect(transcript.lastPosition == LogPosition(epoch: 1, sequence: 81))
    }

    @Test func aSnapshotSaysThatSomethingIsMissing() {
        var transcript = Transcript()
        let (event, position) = SessionEvent.read([
            "type": "interject:snapshot", "recovered": false, "sequence": 40,
            "session": ["active_response": ["id": "r9"], "queued": []],
        ])
        #expect(transcript.receive(event, position: position).count == 1)
        #expect(transcript.lastPosition == LogPosition(sequence: 40) && transcript.activeResponseID == "r9" && !transcript.isIdle)
    }

    @Test func aRefusedInputIsNoLongerWaitedFor() {
        var transcript = Transcript()
        transcript.sent(clientEventID: "c", text: "x")
        let error: JSONValue = [
            "type": "error", "status": 409, "error": ["code": "response_in_progress", "message": "No."], "client_event_id": "c",
        ]
        let (event, position) = SessionEvent.read(error)
        #expect(transcript.receive(event, position: position) == [.failure("No.")])
        #expect(transcript.isIdle)
    }

    @Test func cancelAndOtherEndsAreTold() {
        var transcript = Transcript(ownName: "Ada")
        let shown = parts(
            of: [
                ["type": "interject:participant.joined", "participant": ["name": "Ada"]], created("r"), delta("a"), delta("b"),
                ended("r", "cancelled"), ["type": "interject:cancelled", "response_id": "r", "reason": "cancel"], created("s"),
                ended("s", "incomplete", "max_output_tokens"),
                ["type": "interject:participant.left", "participant": ["name": "Bob"]],
            ], in: &transcript)
        #expect(
            shown == [
                .text("a"), .text("b"), .endOfAnswer, .note("[cancelled after 2 tokens]"), .note("[stopped: max_output_tokens]"),
                .note("[Bob left]"),
            ])
    }

    @Test func theLastWordsAreCutAtAWord() {
        #expect(Transcript.lastWords(of: "one two  three\nfour", maxCharacters: 10) == "…three four")
        #expect(Transcript.lastWords(of: "one", maxCharacters: 10) == "one")
        #expect(Transcript.lastWords(of: "abcdefghij", maxCharacters: 4) == "ghij")
        #expect(Transcript.lastWords(of: " ") == "")
    }

    @Test func typedLines() {
        #expect(ChatLine("hello") == .say("hello", mode: nil))
        #expect(ChatLine("  ") == .nothing)
        #expect(ChatLine("/steer  be short") == .say("be short", mode: .steer))
        #expect(ChatLine("/mode queue") == .mode(.queue))
        #expect(ChatLine("/mode") == .mode(nil))
        for line in ["/mode loud", "/steer", "/nothing"] {
            guard case .wrong = ChatLine(line) else {
                Issue.record("\(line) was taken")
                continue
            }
        }
    }
}
