import JSON
import Testing

@testable import Upstreams

@Suite struct ContinuationJointTests {
    private static func joined(_ continuation: Continuation, _ pieces: [String], breaksOff: Bool = false) -> String {
        var joint = ContinuationJoint(continuation)
        var output: [UInt8] = []
        for piece in pieces { joint.take(Array(piece.utf8), into: &output) }
        if breaksOff { joint.breakOff(into: &output) } else { joint.end(into: &output) }
        #expect(joint.isJoined || breaksOff)
        return String(decoding: output, as: UTF8.self)
    }

    @Test func theHalvesAreJoinedWhateverThePieces() throws {
        let cases = try UpstreamVectors.cases("joints.json")
        #expect(cases.count > 50)
        for vector in cases {
            let name = vector["name"]?.string ?? ""
            let pieces = vector["pieces"]?.array?.compactMap(\.string) ?? []
            let continuation = Continuation(
                vector["said"]?.string ?? "", isPrefilled: vector["prefilled"]?.bool ?? false,
                question: vector["question"]?.string ?? "")
            let delivered = vector["delivered"]?.string
            #expect(Self.joined(continuation, pieces) == delivered, "\(name)")
            let scalars = pieces.joined().unicodeScalars.map { String($0) }
            #expect(Self.joined(continuation, scalars) == delivered, "\(name), character by character")
            #expect(Self.joined(continuation, [pieces.joined()]) == delivered, "\(name), in one piece")
        }
    }

    @Test func aLongTextThatIsSaidAgainIsComparedInOnePass() {
        let said = String(repeating: "All work and no play. ", count: 50_000)
        let pieces = (said + "Then he slept.").split(separator: " ").map { $0 + " " }.map(String.init)
        let began = ContinuousClock.now
        #expect(Self.joined(Continuation(said, isPrefilled: true), pieces) == "Then he slept. ")
        #expect(ContinuousClock.now - began < .seconds(30))
    }

    @Test func whiteSpaceWithoutEndIsNotRetained() {
        let space = String(repeating: " ", count: 3 * ContinuationJoint.maxLeadingByteCount)
        for isPrefilled in [true, false] {
            let continuation = Continuation("Once upon a", isPrefilled: isPrefilled)
            #expect(Self.joined(continuation, [space, "time"]) == space + "time")
            #expect(Self.joined(continuation, space.map { String($0) } + ["time"]) == space + "time")
            var joint = ContinuationJoint(continuation)
            var output: [UInt8] = []
            joint.take(Array(space.utf8), into: &output)
            #expect(joint.isJoined && output.count == space.utf8.count)
        }
    }

    @Test func nothingIsHeldBackBesideAScriptWithoutBlanks() {
        for (said, goesOn) in [("从前有", "一座"), ("กาล", "ครั้ง"), ("Once", "从前"), ("从前", "Once")] {
            var joint = ContinuationJoint(Continuation(said, isPrefilled: false))
            var output: [UInt8] = []
            joint.take(Array(goesOn.utf8), into: &output)
            #expect(output == Array(goesOn.utf8), "\(said) \(goesOn)")
        }
    }

    @Test func anAnswerThatBreaksOffWhileItRepeatsHasSaidNothing() {
        let continuation = Continuation("Once upon a time there was", isPrefilled: false)
        #expect(Self.joined(continuation, ["Once upon"], breaksOff: true).isEmpty)
        #expect(Self.joined(Continuation("Once upon", isPrefilled: false), ["a"], breaksOff: true) == " a")
    }

    @Test(
        arguments: [
            (#"{"data":[{"id":"m","owned_by":"vllm"}]}"#, nil, .continueFinalMessage),
            (#"{"data":[{"id":"m","owned_by":"sglang"}]}"#, nil, .continueFinalMessage),
            (#"{"data":[{"id":"x","owned_by":"llamacpp"}]}"#, nil, .trailing),
            (#"{"data":[{"id":"m"}]}"#, "llama.cpp", .trailing),
            ("{}", "llama.cpp", .trailing),
            (#"{"data":[{"id":"x","owned_by":"vllm"},{"id":"m","owned_by":"openai"}]}"#, "uvicorn", .prompt),
            // A neighbour says nothing of a model that is not in the list.
            (#"{"data":[{"id":"x","owned_by":"vllm"},{"id":"y","owned_by":"openai"}]}"#, nil, .prompt),
            (#"{"data":[{"id":"m","owned_by":"library"}]}"#, nil, .prompt),
            (#"{"data":[7]}"#, nil, .prompt), ("[]", nil, .prompt),
        ] as [(String, String?, PrefillWay)])
    func aServerIsKnownByItsListOfModels(_ models: String, _ software: String?, _ way: PrefillWay) throws {
        #expect(InferenceServer(models: try JSONValue.parse(models), model: "m", software: software).prefillWay == way)
    }
}
