import JSON
import ResponsesWire
import Sessions
import Testing

/// The form of a cut is a reader's own: the stored event stays as it is, and all of its truth is in each form.
@Suite struct CutFormTests {
    private func end(
        _ kind: EventKind, status: String, details: String, output: String = "[]", format: String = "text"
    ) -> [UInt8] {
        Array(
            """
            {"type":"\(kind.responsesType)","sequence_number":5,"response":{"id":"resp_1","status":"\(status)","error":null,\
            "incomplete_details":\(details),"output":\(output),"text":{"format":{"type":"\(format)"}},"temperature":1.0,"interject":{"session_id":"sess_1","progress":{}}}}
            """.utf8)
    }

    private func response(_ event: [UInt8]) throws -> JSONValue {
        try #require(try JSONValue.parse(event)["response"])
    }

    private func object(_ event: [UInt8]) throws -> [UInt8] { Array("\(try response(event))".utf8) }

    /// What a reader is told of a cut: the type that it is told by, and the whole of it.
    private func told(_ cut: [UInt8], as form: CutForm) throws -> (kind: EventKind?, json: [UInt8]) {
        let told = try #require(form.retold(end: cut))
        let type = "\(told.type)"
        #expect(try JSONValue.parse(told.json)["type"]?.string == type)
        #expect(try JSONValue.parse(told.json)["sequence_number"] == 5)
        return (EventKind.allCases.first { "\($0.responsesType)" == type }, told.json)
    }

    private var cuts: [[UInt8]] {
        [
            end(.responseCancelled, status: "cancelled", details: "null"),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"interrupted"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"steered"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"server_restarted"}"#),
        ]
    }

    @Test func aCutIsToldAsCompletedWithItsTruthBeside() throws {
        for cut in cuts {
            let told = try told(cut, as: .completed)
            #expect(told.kind == .responseCompleted)
            let (before, after) = (try response(cut), try response(told.json))
            #expect(after["status"] == "completed" && after["incomplete_details"] == .null && after["error"] == .null)
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
            #expect(after["interject"]?["session_id"] == "sess_1")
        }
    }

    @Test func aCutIsToldAsIncompleteInTheWordsOfOpenAI() throws {
        for cut in cuts {
            let told = try told(cut, as: .incomplete)
            #expect(told.kind == .responseIncomplete)
            let (before, after) = (try response(cut), try response(told.json))
            #expect(after["status"] == "incomplete" && after["incomplete_details"] == ["reason": "max_output_tokens"])
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
        }
    }

    @Test func allElseStaysByteForByte() throws {
        for cut in cuts { #expect(CutForm.native.retold(end: cut) == nil) }
        let others = [
            end(.responseCompleted, status: "completed", details: "null"),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"max_output_tokens"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"content_filter"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"invalid_structured_output"}"#),
            end(.responseFailed, status: "failed", details: "null"),
        ]
        for other in others { for form in CutForm.allCases { #expect(form.retold(end: other) == nil) } }
    }

    /// Of the events of real answers, only the ends of those that were cut have another form.
    @Test func onlyTheEndsOfCutAnswersHaveAnotherForm() throws {
        let talk = TalkingSession()
        let ends: [(GenerationSink) -> Void] = [
            { $0.finish(.stop) }, { $0.finish(.length) }, { $0.finish(.contentFilter) },
            { $0.fail(GenerationError(code: "server_error", message: "m", status: 500, type: "t")) },
            { _ in _ = try? talk.session.cancel(by: nil) },
            { _ in _ = try? talk.session.submit(talk.input("no")) },
            { _ in _ = try? talk.session.submit(talk.input("more", .steer)) },
        ]
        for end in ends {
            if talk.session.active == nil { _ = try talk.session.submit(talk.input("hi")) }
            let sink = try #require(talk.sink)
            sink.think("t")
            sink.say("response.cancelled")
            end(sink)
        }
        for form in CutForm.allCases {
            var retold: [String] = []
            for event in talk.events {
                guard let told = form.retold(event) else { continue }
                let cut = ResponsesEncoder.json(event)
                #expect(told.json == form.retold(end: cut)?.json)
                #expect(try JSONValue.parse(told.json)["sequence_number"]?.int == event.responseSequence)
                retold.append(
                    "\(try response(cut)["status"] ?? .null)\(try response(cut)["incomplete_details"]?["reason"] ?? .null)")
            }
            #expect(
                retold == (form == .native ? [] : [#""cancelled"null"#, #""incomplete""interrupted""#, #""incomplete""steered""#]))
        }
    }

    @Test func numbersAndTextsAreCopiedAsTheyAre() throws {
        let odd = #"[{"type":"message","content":[{"type":"output_text","text":"a\ud83dé\n}]\""}],"n":1.50e3}]"#
        let cut = end(.responseCancelled, status: "cancelled", details: "null", output: odd)
        let told = String(decoding: try told(cut, as: .completed).json, as: UTF8.self)
        #expect(told.contains(odd) && told.contains(#""temperature":1.0"#))
    }

    /// A loop that gets half a call carries it out, or asks again.
    @Test func halfACallIsNeverToldAsCompleted() throws {
        let call = #"{"type":"function_call","status":"incomplete","arguments":"{}"}"#
        let custom = #"{"status":"incomplete","type":"custom_tool_call","input":"ls"}"#
        for item in [call, custom] {
            let cut = end(.responseCancelled, status: "cancelled", details: "null", output: "[\(item)]")
            let told = try told(cut, as: .completed)
            #expect(told.kind == .responseFailed)
            let after = try response(told.json)
            #expect(after["status"] == "failed" && after["error"]?["code"] == "response_cut")
            #expect(after["interject"]?["status"] == "cancelled")
        }
        let whole = #"{"type":"function_call","status":"completed","arguments":"{}"}"#
        let message = #"{"type":"message","status":"incomplete","content":[]}"#
        let cut = end(.responseCancelled, status: "cancelled", details: "null", output: "[\(whole),\(message)]")
        #expect(try told(cut, as: .completed).kind == .responseCompleted)
    }

    @Test func halfAnObjectIsNeverToldAsCompleted() throws {
        for format in ["json_schema", "json_object"] {
            let cut = end(.responseCancelled, status: "cancelled", details: "null", format: format)
            let told = try told(cut, as: .completed)
            #expect(told.kind == .responseIncomplete)
            #expect(try response(told.json)["incomplete_details"] == ["reason": "max_output_tokens"])
        }
    }

    @Test func aCutIsToldAsAFailureToThoseThatWantIt() throws {
        for cut in cuts {
            let told = try told(cut, as: .failed)
            #expect(told.kind == .responseFailed)
            let (before, after) = (try response(cut), try response(told.json))
            #expect(after["status"] == "failed" && after["incomplete_details"] == .null)
            #expect(after["error"]?["code"] == "response_cut" && after["error"]?["message"]?.string?.isEmpty == false)
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
        }
    }

    @Test func aResponseObjectIsToldAsItsEventIs() throws {
        for cut in cuts {
            for form in CutForm.allCases {
                let whole = try form.retold(end: cut).map { try response($0.json) } ?? (try response(cut))
                #expect(try JSONValue.parse(form.retold(response: object(cut))) == whole)
            }
        }
        let running = Array(#"{"id":"resp_1","status":"in_progress","incomplete_details":null,"interject":{"a":1}}"#.utf8)
        for form in CutForm.allCases { #expect(form.retold(response: running) == running) }
    }

    @Test func anUnknownFormIsRefusedByName() {
        #expect(throws: RequestError.self) { try CutForm.parse("Completed", param: "Interject-Cut-As") }
        #expect(throws: RequestError.self) { try CutForm.parse("", param: "Interject-Cut-As") }
        for form in CutForm.allCases { #expect((try? CutForm.parse(form.rawValue, param: "x")) == form) }
    }
}

/// Says nothing by itself.
private final class SilentModel: Model, @unchecked Sendable {
    private final class Call: ModelCall {
        func cancel() {}
        func pause() {}
        func resume() {}
    }

    /// That of the newest response. Used on one thread only.
    var sink: GenerationSink?

    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        self.sink = sink
        return Call()
    }
}

/// A session of which a test is the model. Its log drops nothing.
private final class TalkingSession: SessionHost {
    private let silent = SilentModel()
    var model: any Model { silent }
    let unixTime = 1
    private let log = SessionLog(maxByteCount: .max)
    private(set) lazy var session = Session(owner: "me", host: self, defaults: ResponseParameters(model: "m"), log: log)

    func interrupted(_ generation: Generation) {}
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void { {} }

    /// What the model tells the newest response.
    var sink: GenerationSink? { silent.sink }

    func input(_ text: String, _ mode: InterjectionMode = .interrupt) -> Input {
        Input(items: [.userMessage(text)], mode: mode, parameters: session.defaults, policy: .continuing)
    }

    var events: [SessionEvent] {
        var events: [SessionEvent] = []
        var place = log.place(after: 0)
        while let event = log.next(&place) { events.append(event) }
        return events
    }
}

extension GenerationSink {
    fileprivate func say(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { textDelta(escaped: $0) } }
    fileprivate func think(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { reasoningDelta(escaped: $0) } }
}
