import Network
import Sessions

/// A session that is only looked at, by server-sent events. Loop-confined.
final class WatchingChat: SessionFollower {
    private let place: SessionPlace
    private let loop: EventLoop
    private let output: any ChatOutput
    private let end: @Sendable (Failure?) -> Void
    private var feed: SessionFeed?
    private var transcript = Transcript()
    private var isLost = false

    init(_ place: SessionPlace, output: any ChatOutput, on loop: EventLoop, end: @escaping @Sendable (Failure?) -> Void) {
        self.place = place
        self.output = output
        self.loop = loop
        self.end = end
    }

    func start() {
        let feed = SessionFeed(place, on: loop, follower: self)
        self.feed = feed
        feed.start()
    }

    func received(_ event: SessionEvent, position: LogPosition?) {
        for part in transcript.receive(event, position: position) { output.show(part) }
    }

    func connected() {
        if !isLost { output.show(.note("[watching \(place.sessionID); Ctrl-C ends]")) }
        isLost = false
    }

    func disconnected(_ reason: String, retryIn delay: Duration) {
        if !isLost { output.show(.note("[\(reason); connecting again]")) }
        isLost = true
    }

    func gaveUp(_ reason: String) { end(.runtime("\(place.server.text): \(reason)")) }
}
