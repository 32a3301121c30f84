import CZlib

/// Decompresses one body as it arrives, in steps, so its owner decides how much work to do before serving other connections.
/// Thread-confined.
public final class ContentDecoder {
    /// zlib's memory for one body, in bytes: a window of 32 KiB, and tables.
    public static let stateByteCount = 42 << 10
    /// Most decoded bytes of one step.
    public static let stepByteCount = 64 << 10
    /// Encoded bytes offset by one decoded byte; below, the most without offset. DEFLATE allows empty blocks, whose tables cost
    /// work; an honest encoder produces few.
    private static let bytesPerByteMade = 16
    private static let maxUnpaidBytes = 16 << 10

    private enum State {
        /// The first two bytes distinguish the two formats of `deflate`.
        case undecided([UInt8])
        case decoding
        /// Between two members, or after the last.
        case ended
    }

    private let coding: ContentCoding
    private var state: State
    private var stream: UnsafeMutablePointer<czlib_stream>?
    private var unpaidBytes = 0
    /// Whether any member has started.
    private var hasBegun = false

    public init(_ coding: ContentCoding) {
        self.coding = coding
        state = coding == .gzip ? .ended : .undecided([])
    }

    deinit { close() }

    /// Consumes some of `input`, and passes the decoded bytes to `body` in at most two pieces.
    /// - Parameter maxBytes: most encoded bytes to consume.
    public func step(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MessageError) {
        if case .undecided(let start) = state {
            guard let start = try decide(start, &input) else { return }
            try start.withUnsafeBufferPointer { (start) throws(MessageError) in
                var start = UnsafeRawBufferPointer(start)
                try run(&start, maxBytes: start.count, body)
            }
        }
        if input.count == 0, !holdsOutput { return }
        if case .ended = state {
            // Bytes after the end are another gzip member; for deflate they are an error.
            guard coding == .gzip else { throw .malformedContentCoding }
            try open(windowBits: 15 + 16)
        }
        try run(&input, maxBytes: maxBytes, body)
    }

    /// Whether consumed input has more output than the last step had room for. If so, call ``step(_:maxBytes:_:)`` again, even
    /// without input.
    public private(set) var holdsOutput = false

    /// Call at the end of the body.
    public func finish() throws(MessageError) {
        defer { close() }
        switch state {
        case .ended where hasBegun: break
        // An empty body decodes to an empty body.
        case .ended, .undecided([]): break
        case .undecided, .decoding: throw .malformedContentCoding
        }
    }

    /// Detects the format.
    /// - Returns: the two bytes examined; nil if more input is needed.
    private func decide(_ start: [UInt8], _ input: inout UnsafeRawBufferPointer) throws(MessageError) -> [UInt8]? {
        var start = start
        while start.count < 2, let byte = input.first {
            start.append(byte)
            input = input.slice(1, input.count)
        }
        state = .undecided(start)
        guard start.count == 2 else { return nil }
        // RFC 1950 §2.2: the method is 8, the window at most 32 KiB, and both bytes together a multiple of 31.
        let isWrapped = start[0] & 0x0F == 8 && start[0] >> 4 <= 7 && (Int(start[0]) << 8 | Int(start[1])) % 31 == 0
        try open(windowBits: isWrapped ? 15 : -15)
        return start
    }

    private func run(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MessageError) {
        let part = input.slice(0, min(input.count, maxBytes))
        var outcome: Result<Int, MessageError> = .success(0)
        withUnsafeTemporaryAllocation(byteCount: Self.stepByteCount, alignment: 1) { room in
            do throws(MessageError) {
                let (taken, made) = try inflate(part, room)
                outcome = .success(taken)
                if made > 0 { body(UnsafeRawBufferPointer(room).slice(0, made)) }
            } catch {
                outcome = .failure(error)
            }
        }
        input = input.slice(try outcome.get(), input.count)
    }

    private func open(windowBits: Int32) throws(MessageError) {
        hasBegun = true
        state = .decoding
        if let stream {
            guard inflateReset(&stream.pointee.z) == Z_OK else { throw .malformedContentCoding }
            return
        }
        let made = UnsafeMutablePointer<czlib_stream>.allocate(capacity: 1)
        let status = windowBits < 0 ? czlib_inflate_init(made, -windowBits) : czlib_inflate_init_wrapped(made, windowBits)
        guard status == Z_OK else {
            made.deallocate()
            throw .noMemoryToDecode
        }
        stream = made
    }

    private func close() {
        guard let stream else { return }
        inflateEnd(&stream.pointee.z)
        stream.deallocate()
        self.stream = nil
    }

    private func inflate(
        _ input: UnsafeRawBufferPointer, _ room: UnsafeMutableRawBufferPointer
    ) throws(MessageError) -> (taken: Int, made: Int) {
        // After an error there is no more output: zlib repeats the error.
        holdsOutput = false
        guard let stream else { throw .malformedContentCoding }
        stream.pointee.z.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.z.avail_in = UInt32(input.count)
        stream.pointee.z.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.z.avail_out = UInt32(room.count)
        let status = CZlib.inflate(&stream.pointee.z, Z_NO_FLUSH)
        let taken = input.count - Int(stream.pointee.z.avail_in)
        let made = room.count - Int(stream.pointee.z.avail_out)
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: state = .ended
        case Z_MEM_ERROR: throw .noMemoryToDecode
        default: throw .malformedContentCoding
        }
        unpaidBytes = max(0, unpaidBytes + taken - Self.bytesPerByteMade * made)
        guard unpaidBytes <= Self.maxUnpaidBytes else { throw .malformedContentCoding }
        holdsOutput = status != Z_STREAM_END && stream.pointee.z.avail_out == 0
        return (taken, made)
    }
}
