import Bytes
public import JSON

/// Those who speak in the session, by name.
extension Session {
    /// Lets somebody speak under a name.
    public func join(_ participant: Participant) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard participants.count < limits.maxParticipants else { throw .tooManyParticipants(limit: limits.maxParticipants) }
        participants.append(participant)
        append(.participantJoined) { participant.write(to: &$0) }
    }

    /// Somebody who speaks by plain HTTP, without a connection to join by: the same name is the same participant.
    public func guest(named name: String) -> Participant {
        if let known = participants.first(where: { $0.name == name }) ?? guests[name] { return known }
        let guest = Participant(name: name)
        if guests.count < limits.maxParticipants { guests[name] = guest }
        return guest
    }

    public func leave(_ participant: Participant) {
        guard !isClosed, let index = participants.firstIndex(of: participant) else { return }
        participants.remove(at: index)
        append(.participantLeft) { participant.write(to: &$0) }
    }
}

extension Participant {
    /// As it stands in the log.
    func write(to body: inout ByteBuffer) {
        body.append(counted: id)
        body.append(counted: name)
    }

    public func write(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("name", name)
    }
}
