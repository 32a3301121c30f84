package import JSON
package import Sessions

/// The body of `POST /v1/sessions/{id}/input` and of `interject:input`, validated.
package struct SessionInput: InputRequest {
    /// The input.
    package var items: [Item]
    /// The items as encoded for their event, if they are many or large.
    package var encoded: EncodedItems?
    /// The interjection mode; nil for the session's default.
    package var mode: InterjectionMode?
    /// The disconnect policy; nil for the session's default.
    package var policy: DisconnectPolicy?
    /// Members that describe the response; missing ones come from the session.
    package var members: JSONObject
    /// The model; nil for the session's.
    package var model: String?
    /// Instructions to the model; nil for the session's.
    package var instructions: String?
    /// The name of the speaking participant; nil if unnamed.
    package var participantName: String?
    /// The client's identifier of the command.
    package var clientEventID: String?
    /// The name that the items already contain: see ``spoken(by:)``.
    package private(set) var speaker: String?

    private static let ownMembers: Set<String> = [
        "type", "session_id", "stream_id", "input", "mode", "disconnect", "model", "instructions", "participant",
        "client_event_id", "interject", "name", "role", "stream", "store", "event_id", "generate", "previous_response_id",
    ]

    /// Parses and validates the body.
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

    /// The input with the speaker's name in its items; must be called off the loop if it is large.
    package func spoken(by name: String) -> SessionInput {
        var spoken = self
        let participant = Participant(name: name)
        spoken.items = items.map { $0.spoken(by: participant) }
        spoken.speaker = name
        spoken.encoded = nil
        return spoken.prepared()
    }

    /// The input as a command to a session, with the session's defaults.
    /// - Parameters:
    ///   - participant: the speaker, if it has joined.
    ///   - firstModel: the model for a session that has none.
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
