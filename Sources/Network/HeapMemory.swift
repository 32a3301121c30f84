import CLinux

/// The allocator's memory: what is freed stays with the process until it is given back.
public enum HeapMemory {
    /// Bytes that are held and not used. Takes the lock of each arena for a moment.
    public static var freeByteCount: Int { Int(clamping: clinux_free_heap()) }

    /// Gives whole pages that are not used back to the system.
    ///
    /// Whoever allocates from an arena waits while its pages are given back: some milliseconds for 100 MiB. So not on a loop, and not
    /// while there is much to do.
    public static func giveBack() { clinux_trim_heap() }

    /// Has the allocator keep less for later. Call before there is much on the heap.
    ///
    /// By default glibc raises both thresholds with the largest block that was freed, up to 32 and 64 MiB for each arena.
    public static func holdLittle() {
        clinux_set_heap_thresholds(4 << 20, 8 << 20)
    }
}
