import CLinux

/// The allocator's memory: freed memory stays with the process until it is returned to the system.
public enum HeapMemory {
    /// Bytes allocated from the system and not in use. Briefly takes the lock of each arena.
    public static var freeByteCount: Int { Int(clamping: clinux_free_heap()) }

    /// Returns unused pages to the system.
    ///
    /// Allocations from an arena block while its pages are returned: some milliseconds for 100 MiB. Do not call it on a loop, or
    /// under load.
    public static func giveBack() { clinux_trim_heap() }

    /// Makes the allocator retain less memory. Call it early.
    ///
    /// By default, glibc raises both thresholds with the largest freed block, up to 32 and 64 MiB per arena.
    public static func holdLittle() {
        clinux_set_heap_thresholds(4 << 20, 8 << 20)
    }
}
