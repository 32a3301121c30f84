import Bytes
public import JSON

/// The participants of a session.
struct Roster {
    var participants: [Participant] = []
    /// Participants without a connection to join through, by name.
    var guests: [String: Participant] = [:]
}

/// Joining and leaving.
extension Session {
    /// Adds a participant.
    /// - Throws: ``SessionError/tooManyParticipants(limit:)``.
    public func join(_ participant: Participant) throws(SessionError) {
        try checkRoomForParticipant()
        roster.participants.append(participant)
        writer.append(.participantJoined) { participant.write(to: &$0) }
    }

    func checkRoomForParticipant() throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard participants.count < limits.maxParticipants else { throw .tooManyParticipants(limit: limits.maxParticipants) }
    }

    /// A participant over plain HTTP, without a connection to join through: the same name means the same participant.
    public func guest(named name: String) -> Participant {
        if let known = participants.first(where: { $0.name == name }) ?? roster.guests[name] { return known }
        let guest = Participant(name: name)
        if roster.guests.count < limits.maxParticipants { roster.guests[name] = guest }
        return guest
    }

    /// Removes a participant.
    public func leave(_ participant: Participant) {
        guard !isClosed, let index = participants.firstIndex(of: participant) else { return }
        roster.participants.remove(at: index)
        writer.append(.participantLeft) { participant.write(to: &$0) }
    }

    /// Removes the participants of the last run, whose connections ended with the process.
    func leaveAllFromBefore() {
        for participant in joinedBefore { writer.append(.participantLeft) { participant.write(to: &$0) } }
    }

    private var joinedBefore: [Participant] {
        var joined: [Participant] = []
        var place = log.place(after: log.oldestPosition - 1)
        while let event = log.next(&place) {
            guard event.kind == .participantJoined || event.kind == .participantLeft, let participant = event.participant else {
                continue
            }
            joined.removeAll { $0.id == participant.id }
            if event.kind == .participantJoined { joined.append(participant) }
        }
        return joined
    }
}

extension Participant {
    /// Encodes the participant for the log.
    func write(to body: inout ByteBuffer) {
        body.append(counted: id)
        body.append(counted: name)
    }

    /// Writes the participant as a JSON object's members.
    public func write(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("name", name)
    }
}
