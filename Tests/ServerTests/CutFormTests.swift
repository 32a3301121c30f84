import JSON
import Sessions
import Testing

@testable import Server

/// The form of a cut is a reader's own: the stored event stays as it is, and all of its truth is in each form.
@Suite struct CutFormTests {
    private func event(_ type: EventType, _ payload: String) -> LogEvent {
        LogEvent(
            sequence: 7, type: type, response: nil, responseSequence: 5, payload: Array(payload.utf8), delta: 0..<0, outputIndex: 0,
            endOffset: 0)
    }

    private func end(
        _ type: EventType, status: String, details: String, output: String = "[]", format: String = "text"
    ) -> LogEvent {
        event(
            type,
            """
            {"type":"\(type.rawValue)","sequence_number":5,"response":{"id":"resp_1","status":"\(status)","error":null,\
            "incomplete_details":\(details),"output":\(output),"text":{"format":{"type":"\(format)"}},"temperature":1.0,"interject":{"session_id":"sess_1","progress":{}}}}
            """)
    }

    private func response(_ event: LogEvent) throws -> JSONValue {
        try #require(try JSONValue.parse(event.payload)["response"])
    }

    private var cuts: [LogEvent] {
        [
            end(.responseCancelled, status: "cancelled", details: "null"),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"interrupted"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"steered"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"server_restarted"}"#),
        ]
    }

    @Test func aCutIsToldAsCompletedWithItsTruthBeside() throws {
        for cut in cuts {
            let told = CutForm.completed.retold(cut)
            #expect(told.type == .responseCompleted && told.sequence == 7 && told.responseSequence == 5)
            #expect(EventType(payload: told.payload) == .responseCompleted)
            let (before, after) = (try response(cut), try response(told))
            #expect(after["status"] == "completed" && after["incomplete_details"] == .null && after["error"] == .null)
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
            #expect(after["interject"]?["session_id"] == "sess_1")
        }
    }

    @Test func aCutIsToldAsIncompleteInTheWordsOfOpenAI() throws {
        for cut in cuts {
            let told = CutForm.incomplete.retold(cut)
            #expect(told.type == .responseIncomplete)
            let (before, after) = (try response(cut), try response(told))
            #expect(after["status"] == "incomplete" && after["incomplete_details"] == ["reason": "max_output_tokens"])
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
        }
    }

    @Test func allElseStaysByteForByte() throws {
        for cut in cuts { #expect(CutForm.native.retold(cut).payload == cut.payload) }
        let others = [
            end(.responseCompleted, status: "completed", details: "null"),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"max_output_tokens"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"content_filter"}"#),
            end(.responseIncomplete, status: "incomplete", details: #"{"reason":"invalid_structured_output"}"#),
            end(.responseFailed, status: "failed", details: "null"),
            event(.outputTextDelta, #"{"type":"response.output_text.delta","delta":"response.cancelled"}"#),
            event(.outputItemDone, #"{"type":"response.output_item.done","item":{"type":"message","status":"incomplete"}}"#),
            event(.outputItemDone, #"{"type":"response.output_item.done","item":{"type":"function_call","status":"incomplete"}}"#),
        ]
        for other in others {
            for form in CutForm.allCases {
                let told = form.retold(other)
                #expect(told.payload == other.payload && told.type == other.type)
            }
        }
    }

    @Test func numbersAndTextsAreCopiedAsTheyAre() throws {
        let odd = #"[{"type":"message","content":[{"type":"output_text","text":"a\ud83dé\n}]\""}],"n":1.50e3}]"#
        let cut = end(.responseCancelled, status: "cancelled", details: "null", output: odd)
        let told = String(decoding: CutForm.completed.retold(cut).payload, as: UTF8.self)
        #expect(told.contains(odd) && told.contains(#""temperature":1.0"#))
    }

    /// A loop that gets half a call carries it out, or asks again.
    @Test func halfACallIsNeverToldAsCompleted() throws {
        let call = #"{"type":"function_call","status":"incomplete","arguments":"{}"}"#
        let custom = #"{"status":"incomplete","type":"custom_tool_call","input":"ls"}"#
        for item in [call, custom] {
            let cut = end(.responseCancelled, status: "cancelled", details: "null", output: "[\(item)]")
            let told = CutForm.completed.retold(cut)
            #expect(told.type == .responseFailed)
            let after = try response(told)
            #expect(after["status"] == "failed" && after["error"]?["code"] == "response_cut")
            #expect(after["interject"]?["status"] == "cancelled")
        }
        let whole = #"{"type":"function_call","status":"completed","arguments":"{}"}"#
        let message = #"{"type":"message","status":"incomplete","content":[]}"#
        let cut = end(.responseCancelled, status: "cancelled", details: "null", output: "[\(whole),\(message)]")
        #expect(CutForm.completed.retold(cut).type == .responseCompleted)
    }

    @Test func halfAnObjectIsNeverToldAsCompleted() throws {
        for format in ["json_schema", "json_object"] {
            let cut = end(.responseCancelled, status: "cancelled", details: "null", format: format)
            #expect(CutForm.completed.retold(cut).type == .responseIncomplete)
            #expect(try response(CutForm.completed.retold(cut))["incomplete_details"] == ["reason": "max_output_tokens"])
        }
    }

    @Test func aCutIsToldAsAFailureToThoseThatWantIt() throws {
        for cut in cuts {
            let told = CutForm.failed.retold(cut)
            #expect(told.type == .responseFailed)
            let (before, after) = (try response(cut), try response(told))
            #expect(after["status"] == "failed" && after["incomplete_details"] == .null)
            #expect(after["error"]?["code"] == "response_cut" && after["error"]?["message"]?.string?.isEmpty == false)
            #expect(after["interject"]?["status"] == before["status"])
            #expect(after["interject"]?["incomplete_details"] == before["incomplete_details"])
        }
    }

    @Test func aResponseObjectIsToldAsItsEventIs() throws {
        for cut in cuts {
            for form in CutForm.allCases {
                let object = try #require(cut.responseObject)
                #expect(form.retold(response: object) == form.retold(cut).responseObject)
            }
        }
        let running = Array(#"{"id":"resp_1","status":"in_progress","incomplete_details":null,"interject":{"a":1}}"#.utf8)
        for form in CutForm.allCases { #expect(form.retold(response: running) == running) }
    }

    @Test func anUnknownFormIsRefusedByName() {
        #expect(throws: APIError.self) { try CutForm.parse("Completed", param: "Interject-Cut-As") }
        #expect(throws: APIError.self) { try CutForm.parse("", param: "Interject-Cut-As") }
        for form in CutForm.allCases { #expect((try? CutForm.parse(form.rawValue, param: "x")) == form) }
    }
}
