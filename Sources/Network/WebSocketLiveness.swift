import Bytes
import WebSocket

/// How a WebSocket finds out that its peer is gone, and how long it may be open.
public struct WebSocketLiveness: Sendable {
    /// How often the peer is looked after. A ping is sent when nothing came for half of it, or when the round trip was not
    /// measured for ten of them; the connection is closed when nothing came for two, nor anything of what is due was
    /// taken: with 1013 if something is due, else with 1011.
    public var pingInterval = Duration.seconds(20)
    /// How long the peer may take nothing of what is due to it, if that is less than two ``pingInterval``s.
    public var stall = Duration.seconds(60)
    /// Without a message either way for so long it is closed with 1001; nil: never.
    public var idleLimit: Duration?
    /// Older than this it is closed with 1001 as soon as nothing runs on it, or a tenth later; nil: never.
    public var lifetime: Duration?

    public init() {}

    /// The settings in one place of memory for all connections of a server: each of them holds a reference.
    public final class Shared: Sendable {
        let value: WebSocketLiveness
        let checkInterval: Duration

        public init(_ value: WebSocketLiveness = WebSocketLiveness()) {
            self.value = value
            checkInterval = value.checkInterval
        }

        public static let standard = Shared()
    }

    /// When to look: often enough for the shortest of the limits.
    var checkInterval: Duration {
        [pingInterval, stall / 4, idleLimit.map { $0 / 4 }, lifetime.map { $0 / 20 }].compactMap { $0 }.reduce(pingInterval, min)
    }
}

/// What a WebSocket remembers to judge its peer, in 64 bytes. Loop-confined.
struct WebSocketPulse {
    let opened: Instant
    /// The last byte from the peer.
    var received: Instant
    /// The last message either way.
    var message: Instant
    /// When the peer was seen to take some of what waits for it.
    private var taken: Instant
    private var sentByteCount: UInt64 = 0
    private var isBlocked = false
    private var pingSentAt = Self.never
    private var measuredAt = Self.never
    private var roundTripNanoseconds: Int64 = -1

    /// An optional would take twice the space.
    private static let never = Instant(nanoseconds: .min)

    /// When the ping left that waits for its pong; its nanoseconds are the payload.
    var pingSent: Instant? {
        get { pingSentAt == Self.never ? nil : pingSentAt }
        set { pingSentAt = newValue ?? Self.never }
    }
    /// When the round trip was measured last.
    var measured: Instant? {
        get { measuredAt == Self.never ? nil : measuredAt }
        set { measuredAt = newValue ?? Self.never }
    }
    var roundTrip: Duration? { roundTripNanoseconds < 0 ? nil : .nanoseconds(roundTripNanoseconds) }

    init(now: Instant) {
        opened = now
        received = now
        message = now
        taken = now
    }

    /// What leaves while more waits is taken by a peer that reads. Without a queue it may lie in the kernel, and says nothing.
    mutating func note(sentByteCount newCount: UInt64, isBlocked: Bool, now: Instant) {
        // What has waited since now was not refused before.
        if isBlocked, newCount != sentByteCount || !self.isBlocked { taken = now }
        sentByteCount = newCount
        self.isBlocked = isBlocked
    }

    /// What is to be done now.
    enum Action: Equatable {
        case nothing, ping
        /// The peer is given up; for how long nothing came, in words.
        case drop(silence: String)
        case close(CloseCode, reason: String)
    }

    func action(now: Instant, _ liveness: WebSocketLiveness, isBusy: Bool) -> Action {
        let silence = now - max(received, taken)
        if isBlocked, now - taken >= liveness.stall { return .drop(silence: Self.text(liveness.stall)) }
        if silence >= liveness.pingInterval * 2 { return .drop(silence: Self.text(liveness.pingInterval * 2)) }
        if let lifetime = liveness.lifetime, now - opened >= (isBusy ? lifetime + lifetime / 10 : lifetime) {
            return .close(.goingAway, reason: "lifetime: open for \(Self.text(lifetime)); connect again")
        }
        if let limit = liveness.idleLimit, !isBusy, now - message >= limit {
            return .close(.goingAway, reason: "idle: no message for \(Self.text(limit))")
        }
        if let pingSent, now - pingSent < liveness.pingInterval { return .nothing }
        let isUnmeasured = measured.map { now - $0 >= liveness.pingInterval * 10 } ?? true
        return silence >= liveness.pingInterval / 2 || isUnmeasured ? .ping : .nothing
    }

    /// `60 s`, `0.5 s`.
    private static func text(_ duration: Duration) -> String {
        let seconds = duration.seconds
        return seconds == seconds.rounded() ? "\(Int64(saturating: seconds)) s" : "\(seconds) s"
    }

    /// - Returns: the round trip, if the pong answers the last ping.
    mutating func pong(_ payload: UnsafeRawBufferPointer, now: Instant) -> Duration? {
        guard let sent = pingSent, payload.count == 8, payload.loadUnaligned(as: Int64.self) == sent.nanoseconds else { return nil }
        pingSent = nil
        measured = now
        let trip = now - sent
        roundTripNanoseconds = max(0, trip.nanoseconds)
        return trip
    }
}
