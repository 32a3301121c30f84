import Bytes
public import JSON

/// Those who speak in a session.
struct Roster {
    var participants: [Participant] = []
    /// Those who speak without a connection to join by, by name.
    var guests: [String: Participant] = [:]
}

/// Those who speak in the session, by name.
extension Session {
    /// Lets somebody speak under a name.
    public func join(_ participant: Participant) throws(SessionError) {
        try checkRoomForParticipant()
        roster.participants.append(participant)
        writer.append(.participantJoined) { participant.write(to: &$0) }
    }

    func checkRoomForParticipant() throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard participants.count < limits.maxParticipants else { throw .tooManyParticipants(limit: limits.maxParticipants) }
    }

    /// Somebody who speaks by plain HTTP, without a connection to join by: the same name is the same participant.
    public func guest(named name: String) -> Participant {
        if let known = participants.first(where: { $0.name == name }) ?? roster.guests[name] { return known }
        let guest = Participant(name: name)
        if roster.guests.count < limits.maxParticipants { roster.guests[name] = guest }
        return guest
    }

    public func leave(_ participant: Participant) {
        guard !isClosed, let index = participants.firstIndex(of: participant) else { return }
        roster.participants.remove(at: index)
        writer.append(.participantLeft) { participant.write(to: &$0) }
    }

    /// Those who had joined when the process ended have lost their connections with it.
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
