package import JSON
package import Sessions

extension SessionOutcome.Accepted {
    /// Writes the members of `interject.input`: the receipt for an accepted input.
    /// - Parameter clientEventID: the client's identifier of the command.
    package func write(clientEventID: String?, to object: inout JSONObjectWriter) {
        object.field("object", "interject.input")
        object.field("session_id", sessionID)
        object.field("sequence", position.sequence)
        object.field(epochOf: position)
        object.field("mode", mode?.rawValue ?? "none")
        object.field("response_id", responseID)
        if let interrupted {
            object.object("interrupted") { interrupted.write(to: &$0) }
        } else {
            object.null("interrupted")
        }
        object.field("client_event_id", clientEventID)
    }
}
