import Network
import Sessions

/// Shows a session read-only, by server-sent events. Loop-confined.
final class WatchingChat: SessionFollower {
    private let target: SessionTarget
    private let loop: EventLoop
    private let output: any ChatOutput
    private let end: @Sendable (Failure?) -> Void
    private var feed: SessionFeed?
    private var transcript = Transcript()
    private var isLost = false

    init(_ target: SessionTarget, output: any ChatOutput, on loop: EventLoop, end: @escaping @Sendable (Failure?) -> Void) {
        self.target = target
        self.output = output
        self.loop = loop
        self.end = end
    }

    func start() {
        let feed = SessionFeed(target, on: loop, follower: self)
        self.feed = feed
        feed.start()
    }

    func received(_ event: SessionEvent, position: LogPosition?) {
        for part in transcript.receive(event, position: position) { output.show(part) }
    }

    func connected() {
        if !isLost { output.show(.note("[watching \(target.sessionID); Ctrl-C ends]")) }
        isLost = false
    }

    func disconnected(_ reason: String, retryIn delay: Duration) {
        if !isLost { output.show(.note("[\(reason); reconnecting]")) }
        isLost = true
    }

    func gaveUp(_ reason: String) { end(.runtime("\(target.server.text): \(reason)")) }
}
