import Bytes
import WebSocket

/// How a WebSocket detects a dead peer, and how long it may stay open.
public struct WebSocketLiveness: Sendable {
    /// Interval of liveness checks. A ping is sent if nothing was received for half an interval, or the round trip was not measured
    /// for ten. The connection is closed if nothing was received, and no output was read, for two: with 1013 if output is pending,
    /// else with 1011.
    public var pingInterval = Duration.seconds(20)
    /// How long the peer may read nothing of its pending output, if less than two ``pingInterval``s.
    public var stall = Duration.seconds(60)
    /// Time without a message in either direction after which it is closed with 1001; nil: never.
    public var idleLimit: Duration?
    /// Age at which it is closed with 1001 once it is not busy, or a tenth later; nil: never.
    public var lifetime: Duration?

    public init() {}

    /// The settings shared by all connections of a server, each of which holds a reference.
    public final class Shared: Sendable {
        let value: WebSocketLiveness
        let checkInterval: Duration

        public init(_ value: WebSocketLiveness = WebSocketLiveness()) {
            self.value = value
            checkInterval = value.checkInterval
        }

        public static let standard = Shared()
    }

    /// Interval of checks: short enough for the shortest limit.
    var checkInterval: Duration {
        [pingInterval, stall / 4, idleLimit.map { $0 / 4 }, lifetime.map { $0 / 20 }].compactMap { $0 }.reduce(pingInterval, min)
    }
}

/// Liveness state of a WebSocket, in 64 bytes. Loop-confined.
struct WebSocketPulse {
    let opened: Instant
    /// Time of the last byte from the peer.
    var received: Instant
    /// Time of the last message in either direction.
    var message: Instant
    /// When the peer was last seen to read pending output.
    private var taken: Instant
    private var sentByteCount: UInt64 = 0
    private var isBlocked = false
    private var pingSentAt = Self.never
    private var measuredAt = Self.never
    private var roundTripNanoseconds: Int64 = -1

    /// An optional would take twice the space.
    private static let never = Instant(nanoseconds: .min)

    /// When the unanswered ping was sent; its nanoseconds are the payload.
    var pingSent: Instant? {
        get { pingSentAt == Self.never ? nil : pingSentAt }
        set { pingSentAt = newValue ?? Self.never }
    }
    /// When the round trip was last measured.
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

    /// Output sent while more is queued shows that the peer reads. Without a queue, it may still be in the kernel, and shows
    /// nothing.
    mutating func note(sentByteCount newCount: UInt64, isBlocked: Bool, now: Instant) {
        // Output that starts waiting now was not refused before.
        if isBlocked, newCount != sentByteCount || !self.isBlocked { taken = now }
        sentByteCount = newCount
        self.isBlocked = isBlocked
    }

    /// What to do now.
    enum Action: Equatable {
        case nothing, ping
        /// Close the connection; `silence` is the duration as text.
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
