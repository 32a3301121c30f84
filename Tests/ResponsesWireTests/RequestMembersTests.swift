import JSON
import ResponsesWire
import Sessions
import Testing

/// Members of requests are read with errors that name them.
@Suite struct RequestMembersTests {
    private func refusal<Value>(_ read: () throws(RequestError) -> Value) -> RequestError? {
        do throws(RequestError) {
            _ = try read()
            return nil
        } catch {
            return error
        }
    }

    @Test func aMemberOfAnotherTypeIsNamed() {
        let body: JSONObject = ["text": 7, "flag": "true", "object": [], "count": -1, "position": -2]
        #expect(refusal { () throws(RequestError) in try body.optionalString("text") }?.param == "text")
        #expect(refusal { () throws(RequestError) in try body.optionalBool("flag") }?.param == "flag")
        #expect(refusal { () throws(RequestError) in try body.optionalObject("object") }?.param == "object")
        #expect(refusal { () throws(RequestError) in try body.optionalCount("count") }?.param == "count")
        #expect(refusal { () throws(RequestError) in try body.optionalPosition("position") }?.code == "invalid_type")
    }

    @Test func aMissingMemberIsNil() throws {
        let body: JSONObject = ["text": .null]
        #expect(try body.optionalString("text") == nil && body.optionalPosition("position") == nil)
    }

    @Test func aPositionMayNameItsEpoch() throws {
        let body: JSONObject = ["a": 41, "b": "2:41"]
        #expect(try body.optionalPosition("a") == LogPosition(sequence: 41))
        #expect(try body.optionalPosition("b") == LogPosition(epoch: 2, sequence: 41))
    }

    @Test func aConversationIsNamedByItsIdentifierOrAnObject() throws {
        for name: JSONValue in ["conv_1", ["id": "conv_1"]] {
            let request = try ResponsesRequest(["model": "m", "input": "hi", "conversation": name])
            #expect(request.extensions.sessionID == "conv_1")
        }
        let refused = refusal { () throws(RequestError) in
            try ResponsesRequest(["model": "m", "input": "hi", "conversation": "sess_1"])
        }
        #expect(refused?.param == "conversation")
    }

    @Test func aNewSessionTakesTheServersModelUnlessItNamesOne() throws {
        #expect(try NewSession(["model": ""]).model == nil && NewSession([:]).mode == .interrupt)
        #expect(try NewSession(["model": "m", "mode": "queue"]).model == "m")
        #expect(refusal { () throws(RequestError) in try NewSession(["mode": "shout"]) }?.param == "mode")
    }

    @Test func mergeNamesDeltasOrNothing() throws {
        #expect(try CatchUp.mergesDeltas("deltas") && !CatchUp.mergesDeltas(nil))
        #expect(refusal { () throws(RequestError) in try CatchUp.mergesDeltas("all") }?.param == "merge")
    }
}
