import Bytes
import CLinux
import Glibc

/// The kernel's clocks other than ``Instant``'s, in nanoseconds.
///
/// Read here, and not where they are wanted: in a layer that uses Foundation, in whatever way, the compiler may hold C's `timespec`
/// to be CoreFoundation's and want that imported.
public enum SystemClock {
    /// Since 1970.
    public static var unixNanoseconds: Int { read(CLOCK_REALTIME) }

    /// Processor time that this process has used, in the kernel and out of it.
    public static var processNanoseconds: Int { read(CLOCK_PROCESS_CPUTIME_ID) }

    /// Processor time that the calling thread has used.
    public static var threadNanoseconds: Int { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Int { Int(clinux_clock_nanoseconds(clock)) }
}
