import Glibc

/// A growable, uniquely owned byte queue.
///
/// Writers append at the tail, readers consume from the head; consumed space is reused before the storage grows, so a long-lived
/// buffer stays at its peak size. No reference counting. Views returned by ``bytes`` are valid until the next mutation.
public struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var head = 0
    @usableFromInline var tail = 0
    @usableFromInline var storageByteCount = 0
    /// Size of the allocated storage, in bytes.
    @inlinable public var capacity: Int { storageByteCount }

    @inlinable public init() {}

    /// - Parameter capacity: initial size of the storage, in bytes.
    public init(capacity: Int) {
        reserve(capacity)
    }

    /// Takes over storage from ``takeStorage()``.
    /// - Parameter capacity: its size, in bytes.
    @inlinable public init(storage: UnsafeMutableRawPointer, capacity: Int) {
        base = storage
        storageByteCount = capacity
    }

    /// Drops all bytes and gives the storage away, to be passed to ``init(storage:capacity:)`` or `free`; nil if there is none.
    @inlinable public mutating func takeStorage() -> UnsafeMutableRawPointer? {
        defer {
            base = nil
            head = 0
            tail = 0
            storageByteCount = 0
        }
        return base
    }

    deinit { free(base) }

    /// Number of readable bytes.
    @inlinable public var count: Int { tail - head }
    @inlinable public var isEmpty: Bool { head == tail }

    /// The readable bytes, valid until the next mutation of the buffer.
    @inlinable public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + head) }, count: tail - head)
    }

    /// The readable bytes, writable in place, valid until the next append, consume or clear.
    @inlinable public var mutableBytes: UnsafeMutableRawBufferPointer {
        mutating get { UnsafeMutableRawBufferPointer(start: base.map { $0 + head }, count: tail - head) }
    }

    /// Makes room for `byteCount` more bytes at the tail. Amortised O(1) per byte.
    @inlinable public mutating func reserve(_ byteCount: Int) {
        if capacity - tail < byteCount { makeRoom(byteCount) }
    }

    @usableFromInline mutating func makeRoom(_ byteCount: Int) {
        let used = tail - head
        if head > 0, capacity - used >= byteCount, head >= used, let base {
            base.copyMemory(from: base + head, byteCount: used)
        } else {
            let newCapacity = max(64, used + byteCount, capacity * 2)
            if head > 0, let base { base.copyMemory(from: base + head, byteCount: used) }
            // Large blocks are not copied: their pages move.
            // number-safe: without memory the process ends, as with every other allocation
            guard let grown = realloc(base, newCapacity) else { fatalError("out of memory") }
            LargeMemory.willFill(grown, byteCount: newCapacity)
            base = grown
            storageByteCount = newCapacity
        }
        head = 0
        tail = used
    }

    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1)
        base.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: tail, as: UInt8.self)
        tail += 1
    }

    @inlinable public mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let start = source.baseAddress, source.count > 0 else { return }
        reserve(source.count)
        (base.unsafelyUnwrapped + tail).copyMemory(from: start, byteCount: source.count)
        tail += source.count
    }

    @inlinable public mutating func append(_ source: [UInt8]) {
        source.withUnsafeBytes { append($0) }
    }

    @inlinable public mutating func append(_ source: ArraySlice<UInt8>) {
        source.withUnsafeBytes { append($0) }
    }

    @inlinable public mutating func append(_ source: StaticString) {
        append(UnsafeRawBufferPointer(start: source.utf8Start, count: source.utf8CodeUnitCount))
    }

    /// Appends text of the program's to room that was reserved before, together with what stands beside it: no call, where an append of
    /// a few bytes would be one.
    /// - Precondition: there is room.
    @inlinable @inline(__always) public mutating func append(reserved source: StaticString) {
        let byteCount = source.utf8CodeUnitCount
        // number-safe: the caller is code that reserved the room, not a peer
        precondition(byteCount <= capacity - tail)
        (base.unsafelyUnwrapped + tail).copyMemory(from: source.utf8Start, byteCount: byteCount)
        tail += byteCount
    }

    /// Appends the string's UTF-8.
    @inlinable public mutating func append(_ source: String) {
        var source = source
        source.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends the number in decimal, without allocating.
    @inlinable public mutating func append(decimal value: some FixedWidthInteger) {
        if value < 0 { append(UInt8(ascii: "-")) }
        var magnitude = UInt64(value.magnitude)
        reserve(20)
        let end = tail + Self.decimalDigits(magnitude)
        var position = end
        repeat {
            position -= 1
            base.unsafelyUnwrapped.storeBytes(
                of: UInt8(truncatingIfNeeded: magnitude % 10) &+ 48, toByteOffset: position, as: UInt8.self)
            magnitude /= 10
        } while magnitude > 0
        tail = end
    }

    @usableFromInline static func decimalDigits(_ value: UInt64) -> Int {
        var digits = 1
        var rest = value / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        return digits
    }

    /// Appends the number in lower-case hexadecimal, without padding.
    @inlinable public mutating func append(hexadecimal value: Int) {
        var shift = max(0, (Int.bitWidth - value.leadingZeroBitCount + 3) / 4 * 4 - 4)
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (value >> shift) & 0xF)
            append(digit < 10 ? digit + 48 : digit + 87)
            shift -= 4
        }
    }

    /// Calls `body` with uninitialised room at the tail; `body` returns the number of bytes it wrote.
    @inlinable public mutating func write<E: Error>(
        room byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        reserve(byteCount)
        let room = UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + tail, count: capacity - tail)
        let written = try body(room)
        // number-safe: the caller is code that writes into the room it was given, not a peer
        precondition(written >= 0 && written <= room.count)
        tail += written
    }

    /// Drops `byteCount` bytes from the head.
    @inlinable public mutating func consume(_ byteCount: Int) {
        // number-safe: the caller is code that counts what the buffer has, not a peer
        precondition(byteCount >= 0 && byteCount <= count)
        head += byteCount
        if head == tail {
            head = 0
            tail = 0
        }
    }

    /// Drops `byteCount` bytes from the tail.
    @inlinable public mutating func removeLast(_ byteCount: Int) {
        // number-safe: the caller is code that counts what the buffer has, not a peer
        precondition(byteCount >= 0 && byteCount <= count)
        tail -= byteCount
    }

    /// Drops all bytes; frees the storage if it is larger than `keepingCapacity` bytes.
    public mutating func clear(keepingCapacity limit: Int = .max) {
        head = 0
        tail = 0
        if capacity > limit {
            free(base)
            base = nil
            storageByteCount = 0
        }
    }

    /// A copy of the readable bytes.
    public var array: [UInt8] { count < LargeMemory.leastByteCount ? [UInt8](bytes) : array(room: 0) }

    /// A copy of the readable bytes with `inserted` at `offset`, made in one pass.
    /// - Parameter offset: index of the first inserted byte.
    public func array(inserting inserted: UnsafeRawBufferPointer, at offset: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count + inserted.count) { room, filled in
            let room = UnsafeMutableRawBufferPointer(room)
            if let start = room.baseAddress { LargeMemory.willFill(start, byteCount: room.count) }
            let split = bytes.startIndex + max(0, min(offset, count))
            let end = split + inserted.count
            UnsafeMutableRawBufferPointer(rebasing: room[..<split]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[..<split]))
            UnsafeMutableRawBufferPointer(rebasing: room[split..<end]).copyMemory(from: inserted)
            UnsafeMutableRawBufferPointer(rebasing: room[end...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[split...]))
            filled = count + inserted.count
        }
    }

    /// A copy of the readable bytes with capacity for `byteCount` more.
    public func array(room byteCount: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count + byteCount) { room, filled in
            let room = UnsafeMutableRawBufferPointer(room)
            if let start = room.baseAddress { LargeMemory.willFill(start, byteCount: room.count) }
            room.copyMemory(from: bytes)
            filled = count
        }
    }
}
