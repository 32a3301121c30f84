import CLinux
import Glibc
import Synchronization

/// The clock of an event loop: the kernel's, or a manual one for tests. Thread-safe.
///
/// The kind is constant, so the product pays one predictable branch before reading the kernel's clock.
public final class LoopClock: Sendable {
    /// CLOCK_MONOTONIC and, for the time of day, CLOCK_REALTIME.
    public static let system = LoopClock(isManual: false)

    /// Start of a manual clock in nanoseconds: late enough that an hour before it is not negative.
    private static let manualStart: Int64 = 3_600_000_000_000
    /// Start of a manual clock's time of day, in seconds since 1970.
    private static let manualUnixStart = 1_700_000_000

    private let isManual: Bool
    /// Nanoseconds; for a manual clock only.
    private let reading = Atomic(manualStart)

    private init(isManual: Bool) { self.isManual = isManual }

    /// A clock that only ``advance(by:)`` moves. All manual clocks start at the same time.
    package static func manual() -> LoopClock { LoopClock(isManual: true) }

    /// The time now, for timers and durations.
    @inline(__always) public var now: Instant {
        isManual ? Instant(nanoseconds: reading.load(ordering: .relaxed)) : .monotonicNow
    }

    /// Seconds since 1970.
    public var unixTime: Int {
        guard isManual else { return time(nil) }
        return Self.manualUnixStart + Int((reading.load(ordering: .relaxed) - Self.manualStart) / 1_000_000_000)
    }

    /// Advances a manual clock.
    /// - Parameter duration: not negative, since a loop's clock never goes back.
    package func advance(by duration: Duration) {
        // number-safe: only tests call it
        precondition(isManual && duration >= .zero, "only a manual clock can be moved, and only forward")
        reading.wrappingAdd(duration.nanoseconds, ordering: .relaxed)
    }
}
