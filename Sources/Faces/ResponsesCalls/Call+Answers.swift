import API
import HTTP
import ResponsesWire
import Sessions

/// Answers in the Responses vocabulary.
extension Call {
    /// Answers with a list of items, encoded off the loop if it is large.
    func respond(_ list: ItemList, fields: [(name: String, value: String)] = []) {
        compute(ifLarge: list.isLarge) {
            list.json
        } then: {
            respond(json: $0, fields: fields)
        }
    }

    /// Answers 202 once an input is in the log, or with the refusal.
    /// - Parameter clientEventID: the client's own identifier of the command.
    func respond(accepting outcome: SessionOutcome, clientEventID: String?) {
        do throws(SessionError) {
            let accepted = try outcome.accepted()
            respond(.accepted, fields: [("Interject-Session", accepted.sessionID)]) {
                accepted.write(clientEventID: clientEventID, to: &$0)
            }
        } catch {
            fail(APIError(error))
        }
    }
}
