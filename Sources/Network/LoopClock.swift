import CLinux
import Glibc
import Synchronization

/// The clock of an event loop: the kernel's, or one that stands still until a test moves it. Safe from any thread.
///
/// Which of the two it is never changes, so that the product pays one predictable branch in front of the kernel's clock.
public final class LoopClock: Sendable {
    /// CLOCK_MONOTONIC and, for the time of day, CLOCK_REALTIME.
    public static let system = LoopClock(isManual: false)

    /// Where a manual clock starts, in nanoseconds: late enough that a time an hour before it is not negative.
    private static let manualStart: Int64 = 3_600_000_000_000
    /// The time of day, in seconds since 1970, that a manual clock starts with.
    private static let manualUnixStart = 1_700_000_000

    private let isManual: Bool
    /// Nanoseconds; of a manual clock only.
    private let reading = Atomic(manualStart)

    private init(isManual: Bool) { self.isManual = isManual }

    /// A clock that only ``advance(by:)`` moves. Every one starts at the same time.
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

    /// Moves a manual clock.
    /// - Parameter duration: not negative: no clock of a loop goes back.
    package func advance(by duration: Duration) {
        // number-safe: only tests call it
        precondition(isManual && duration >= .zero, "only a manual clock can be moved, and only forward")
        reading.wrappingAdd(duration.nanoseconds, ordering: .relaxed)
    }
}
