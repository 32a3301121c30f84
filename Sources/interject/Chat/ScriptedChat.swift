import Network
import Sessions

/// A chat with a program: each line of stdin is a message, and answers go to stdout. Loop-confined.
///
/// A line is sent once the answer to the previous one is complete, or once that answer has `cutInAfter` tokens.
final class ScriptedChat: SessionFollower {
    private let target: SessionTarget
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
        _ target: SessionTarget, name: String, mode: InterjectionMode, cutInAfter: Int?, on loop: EventLoop,
        end: @escaping @Sendable (Failure?) -> Void
    ) {
        self.target = target
        self.name = name
        transcript = Transcript(ownName: name)
        self.mode = mode
        self.cutInAfter = cutInAfter
        self.loop = loop
        self.end = end
    }

    func start() {
        let link = SessionLink(target, name: name, patience: .seconds(30), on: loop, follower: self)
        self.link = link
        link.start()
    }

    /// Takes a line of stdin, or nil at its end.
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

    /// One note for each outage, however long.
    func disconnected(_ reason: String, retryIn delay: Duration) {
        isJoined = false
        if !isLost { output.show(.note("[\(reason); reconnecting]")) }
        isLost = true
    }

    func gaveUp(_ reason: String) { end(.runtime("\(target.server.text): \(reason)")) }
}
