package import JSON
package import Sessions

/// The body of `POST /v1/sessions`, validated.
package struct NewSession: Sendable {
    /// Nil for the server's first model.
    package let model: String?
    /// Default instructions to the model.
    package let instructions: String?
    /// The client's metadata.
    package let metadata: JSONObject
    /// The mode of inputs without one of their own.
    package let mode: InterjectionMode
    /// The policy of inputs without one of their own.
    package let policy: DisconnectPolicy

    /// Parses and validates the body.
    package init(_ body: JSONObject) throws(RequestError) {
        try RequestBounds.check(body)
        let extensions = try InterjectMembers(body)
        mode = extensions.mode ?? .interrupt
        policy = extensions.policy ?? .continuing
        metadata = try body.optionalObject("metadata") ?? [:]
        instructions = try body.optionalString("instructions")
        let name = try body.optionalString("model")
        model = name?.isEmpty == true ? nil : name
    }
}
