import Network
import Sessions

/// A chat with a program: each line of stdin is an input, answers go to stdout. Loop-confined.
///
/// A line is sent when the answer to the one before is complete, or when so many tokens of it have come as `cutInAfter` says.
final class ScriptedChat: SessionFollower {
    private let place: SessionPlace
    private let name: String
    private let mode: InterjectionMode
    private let cutInAfter: Int?
    private let loop: EventLoop
    private let end: @Sendable (Failure?) -> Void
    private let output = PlainOutput(showsInputs: false)
    private var link: SessionLink?
    private var transcript: Transcript
    private var lines: [String] = []
    private var hasEnded = false
    private var failure: Failure?
    private var isJoined = false
    private var isLost = false

    init(
        _ place: SessionPlace, name: String, mode: InterjectionMode, cutInAfter: Int?, on loop: EventLoop,
        end: @escaping @Sendable (Failure?) -> Void
    ) {
        self.place = place
        self.name = name
        transcript = Transcript(ownName: name)
        self.mode = mode
        self.cutInAfter = cutInAfter
        self.loop = loop
        self.end = end
    }

    func start() {
        let link = SessionLink(place, name: name, patience: .seconds(30), on: loop, follower: self)
        self.link = link
        link.start()
    }

    /// A line of stdin, or nil at its end.
    func read(_ line: String?) {
        if let line {
            if line.contains(where: { !$0.isWhitespace }) { lines.append(line) }
        } else {
            hasEnded = true
        }
        goOn()
    }

    private func goOn() {
        guard isJoined else { return }
        if let line = lines.first, mayCutIn || transcript.isIdle, let link {
            lines.removeFirst()
            transcript.sent(clientEventID: link.say(line, mode: mode.rawValue), text: line)
        } else if hasEnded, lines.isEmpty, transcript.isIdle {
            link?.end()
            isJoined = false
            end(failure)
        }
    }

    private var mayCutIn: Bool {
        guard let cutInAfter, transcript.unacknowledged.isEmpty, transcript.activeResponseID != nil else { return false }
        return transcript.activeTokens >= cutInAfter
    }

    func received(_ event: SessionEvent, position: LogPosition?) {
        for part in transcript.receive(event, position: position) {
            output.show(part)
            if case .failure(let message) = part { failure = .runtime("the last answer failed: \(message)") }
        }
        goOn()
    }

    func connected() {
        isJoined = true
        isLost = false
        goOn()
    }

    /// One line for each loss, however long it lasts.
    func disconnected(_ reason: String, retryIn delay: Duration) {
        isJoined = false
        if !isLost { output.show(.note("[\(reason); connecting again]")) }
        isLost = true
    }

    func gaveUp(_ reason: String) { end(.runtime("\(place.server.text): \(reason)")) }
}
