package import JSON
package import Sessions

/// The body of `POST /v1/sessions`, checked.
package struct NewSession: Sendable {
    /// nil: the server's first model.
    package let model: String?
    package let instructions: String?
    package let metadata: JSONObject
    package let mode: InterjectionMode
    package let policy: DisconnectPolicy

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
