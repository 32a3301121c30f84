package import JSON
package import Sessions

/// The body of `POST /v1/sessions/{id}/input` and of `interject:input`, checked.
package struct SessionInput: InputRequest {
    package var items: [Item]
    /// The items as their event has them, if they are many or large.
    package var encoded: EncodedItems?
    package var mode: InterjectionMode?
    package var policy: DisconnectPolicy?
    /// Members that describe the response; those that are missing come from the session.
    package var members: JSONObject
    package var model: String?
    package var instructions: String?
    package var participantName: String?
    package var clientEventID: String?
    /// Whose name the items have already: see ``spoken(by:)``.
    package private(set) var speaker: String?

    private static let ownMembers: Set<String> = [
        "type", "session_id", "stream_id", "input", "mode", "disconnect", "model", "instructions", "participant",
        "client_event_id", "interject", "name", "role", "stream", "store", "event_id", "generate", "previous_response_id",
    ]

    package init(_ body: JSONObject) throws(RequestError) {
        try RequestBounds.check(body)
        guard let value = body["input"], !value.isNull else {
            throw .invalid("'input' is missing.", param: "input", code: "missing_required_parameter")
        }
        items = try InputItems.parse(value)
        let extensions = try InterjectMembers(body)
        mode = extensions.mode
        policy = extensions.policy
        model = try body.optionalString("model")
        instructions = try body.optionalString("instructions")
        participantName = try body.optionalParticipantName("participant")
        clientEventID = try body.optionalString("client_event_id")
        members = JSONObject()
        for (key, value) in body where !Self.ownMembers.contains(key) && !value.isNull { members[key] = value }
        try ResponsesRequest.check(members)
    }

    /// With the name of who says it: to be called off the loop if it is large.
    package func spoken(by name: String) -> SessionInput {
        var spoken = self
        let participant = Participant(name: name)
        spoken.items = items.map { $0.spoken(by: participant) }
        spoken.speaker = name
        spoken.encoded = nil
        return spoken.prepared()
    }

    /// As a command to a session, whose defaults it goes by.
    /// - Parameters:
    ///   - participant: the speaker, if it has joined.
    ///   - firstModel: for a session that has no model of its own.
    package func submit(_ responseID: String, participant: Participant?, firstModel: String?) -> SessionCommand.Submit {
        var submit = SessionCommand.Submit(
            new, responseID: responseID,
            parameters: .overDefaults(model: model, instructions: instructions, members: members, firstModel: firstModel))
        submit.mode = mode
        submit.policy = policy
        submit.clientEventID = clientEventID
        submit.speaker = participant.map { .participant($0) } ?? participantName.map { .guest(name: $0) }
        submit.itemsSpeaker = speaker
        return submit
    }
}
