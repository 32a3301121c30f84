import Hosting
package import Logging
import Network
package import Sessions

/// The services that commands use on their session's loop.
extension SessionLoop {
    package func session(_ id: String) -> Session? { residents[id] }

    package func makeBranch(
        of session: Session, at generation: Generation, _ items: [Item], defaults: ResponseParameters, isStored: Bool,
        isDurable: Bool
    ) -> Session {
        makeResident(
            owner: session.owner, defaults: defaults, isEphemeral: !isStored, isDurable: isDurable, forking: (generation, items)
        ).session
    }

    package func isDurable(_ session: Session, asAsked isAsked: Bool) -> Bool {
        (residents.lifetime(of: session.id) == .stored) == (isAsked && residents.journal != nil)
    }

    package func refusal(of parameters: ResponseParameters) -> SessionError? { settings.refusal(parameters) }

    package func willTake(responseID: String, into session: Session) -> String? {
        residents.residency.insert(alias: responseID, of: session.id)
        return accounting?.keyID(of: responseID)
    }

    package func took(_ generation: Generation) { log("response taken", generation) }

    package func willDelete(responseID: String) {
        residents.residency.remove(alias: responseID)
        accounting?.erase([responseID])
    }

    /// Relates a response to its session in the log.
    package func log(_ event: Logger.Message, _ generation: Generation, _ more: Logger.Metadata = [:]) {
        guard loop.logger.logLevel <= .debug else { return }
        let ids: Logger.Metadata = ["response_id": "\(generation.id)", "session_id": "\(generation.sessionID)"]
        loop.logger.debug(event, metadata: ids.merging(more) { $1 })
    }
}
