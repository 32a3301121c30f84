import CLinux

/// The allocator's memory: freed memory stays with the process until it is returned to the system.
public enum HeapMemory {
    /// Bytes of resident memory that the allocator has not given out: free blocks whose pages are still occupied, and what is not the
    /// allocator's (stacks, data). Briefly takes the lock of each arena.
    ///
    /// Too low where blocks were given out whose pages were never touched: they count as used, but are not resident.
    public static var unusedResidentByteCount: Int {
        max(0, ResidentMemory.current.anonymous - Int(clamping: clinux_used_heap()))
    }

    /// Returns unused pages to the system.
    ///
    /// Allocations from an arena block while its pages are returned: some milliseconds for 100 MiB. Do not call it on a loop, or
    /// under load.
    public static func giveBack() { clinux_trim_heap() }

    /// Makes the allocator retain less memory. Call it early.
    ///
    /// By default, glibc raises both thresholds with the largest freed block, up to 32 and 64 MiB per arena. ``giveBack()`` does not
    /// reach the free end of an arena but the main one's: each of up to eight arenas a processor retains that much.
    public static func holdLittle() {
        clinux_set_heap_thresholds(4 << 20, 1 << 20)
    }
}
