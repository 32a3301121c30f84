import API
import Bytes
import HTTP
import Hosting
import JSON
import Network
import ResponsesWire
import Sessions

/// Deleting a response, listing its input, and counting input tokens.
extension ResponsesFace {
    /// `DELETE /v1/responses/{id}`
    static func delete(_ call: Call, id: String) throws(APIError) {
        call.findSession(ofResponse: id) { session in
            call.perform(.deleteResponse(id: id), on: session) { (outcome) throws(SessionError) in
                try outcome.done()
                call.respond {
                    $0.field("id", id)
                    $0.field("object", "response")
                    $0.field("deleted", true)
                }
            }
        }
    }

    /// `GET /v1/responses/{id}/input_items`
    static func inputItems(_ call: Call, id: String) throws(APIError) {
        let range = try SessionCommand.ItemRange(call)
        call.findSession(ofResponse: id) { session in
            call.perform(.readItems(.input(ofResponse: id), range), on: session) { (outcome) throws(SessionError) in
                call.respond(ItemList(try outcome.items()))
            }
        }
    }

    /// `POST /v1/responses/input_tokens`: an estimate of the tokens that a request would read.
    static func countInputTokens(_ call: Call) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            try ResponsesRequest(body, defaultModel: "none", inputIsOptional: true)
        } then: { (call, request) in
            countInputTokens(call, request)
        }
    }

    private static func countInputTokens(_ call: Call, _ request: ResponsesRequest) {
        let own = request.items + (request.parameters.instructions.map { [Item.userMessage($0)] } ?? [])
        var tools = ByteBuffer()
        if let list = request.parameters.members["tools"] { tools.appendJSON(list) }
        let byteCount = own.reduce(tools.count) { $0 + $1.promptByteCount }
        let answer = { (before: Int) in
            call.respond {
                $0.field("object", "response.input_tokens")
                $0.field("input_tokens", (byteCount + before + 3) / 4)
                $0.object("interject") { $0.field("usage_estimated", true) }
            }
        }
        guard request.continuesSomething else {
            answer(0)
            return
        }
        findSession(for: request, owner: call.owner, loop: call.loop, services: call.services) { result in
            switch result {
            case .failure(let error): call.fail(error)
            case .success(let session):
                call.perform(.measurePrompt(upTo: request.previousResponseID), on: session) { (outcome) throws(SessionError) in
                    answer(try outcome.byteCount())
                }
            }
        }
    }
}
