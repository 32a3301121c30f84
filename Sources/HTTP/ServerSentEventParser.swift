import Bytes

/// Parses `text/event-stream` (WHATWG HTML §9.2.6) incrementally, without I/O.
///
/// Pull style: call ``next(_:)`` until it returns nil, then again with more bytes. An event with a single data line that is
/// complete in the input, as in token streams, is returned in place. An event without its empty line at the end of the stream is
/// discarded, as the standard requires, so a truncated stream never looks complete.
public struct ServerSentEventParser: ~Copyable {
    private enum State {
        /// This many octets of a byte order mark have been read.
        case start(matchedByteCount: Int)
        case lines
        /// The last line ended in CR at the end of the input: a following LF belongs to it.
        case afterCarriageReturn
        case failed(ServerSentEventError)
    }

    /// Most bytes of one event's lines, without line ends and comments.
    public let maxEventBytes: Int
    /// Whether to accept unambiguous deviations that the standard ignores. A field `error` (llama.cpp) is the data of an event
    /// `error`. A line that begins with a brace is data, with all following lines of its block. If one data line is a complete
    /// object and the next begins another, the stream lacks empty lines: ``isLineSeparated``.
    public let isLenient: Bool
    /// The last reconnection time in the stream, in ms.
    public private(set) var retryMilliseconds: Int?

    private var state = State.start(matchedByteCount: 0)
    /// The stream's usual line end is searched first, so that a line costs its own length in either style.
    private var prefersCarriageReturn = false
    private var partialLine = ByteBuffer()
    /// The data lines, each followed by an LF.
    private var data = ByteBuffer()
    /// Whether the event has more than one data line, in ``data`` or in the input.
    private var dataHasSeveralLines = false
    private var type = ByteBuffer()
    /// A type given after data; it belongs to the next event if the stream turns out to lack empty lines.
    private var laterType = ByteBuffer()
    private var hasLaterType = false
    /// Whether the event was ended by the first line of the next one.
    private var isCutByNext = false
    private var idOfBlock = ByteBuffer()
    private var idOfLastEvent = ByteBuffer()
    private var idHasChanged = false
    private var blockByteCount = 0
    private var blockIsDelivered = false
    /// A line of this block was bare JSON.
    private var blockIsBare = false
    /// Whether the stream turned out to lack empty lines between events: each data line is then an event. Only if ``isLenient``.
    public private(set) var isLineSeparated = false

    /// - Parameters:
    ///   - maxEventBytes: beyond it ``ServerSentEventError/eventTooLarge(limitBytes:)``.
    ///   - isLenient: see ``isLenient``.
    public init(maxEventBytes: Int = 16 << 20, isLenient: Bool = false) {
        self.maxEventBytes = max(1, maxEventBytes)
        self.isLenient = isLenient
    }

    /// The `Last-Event-ID` for reconnecting: the last id in the stream, empty if none. Valid until the next call.
    public var lastEventID: UnsafeRawBufferPointer { idOfLastEvent.bytes }

    /// Prepares for a new connection; retains ``lastEventID`` and ``retryMilliseconds``.
    public mutating func reset() {
        state = .start(matchedByteCount: 0)
        partialLine.clear(keepingCapacity: 0)
        isCutByNext = false
        clearBlock()
        idOfBlock.clear()
        idOfBlock.append(idOfLastEvent.bytes)
        idHasChanged = false
        blockByteCount = 0
        isLineSeparated = false
    }

    /// Passes every event in the bytes to the receiver, until it returns false.
    /// - Returns: the unread bytes.
    @inlinable
    public mutating func receive<Receiver: ServerSentEventReceiver & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer, _ receiver: inout Receiver
    ) throws(ServerSentEventError) -> UnsafeRawBufferPointer {
        var input = bytes
        while let event = try next(&input) {
            if !receiver.receive(event) { break }
        }
        return input
    }

    /// The next event; consumes its bytes from the front of `input`. Nil if all are consumed.
    public mutating func next(_ input: inout UnsafeRawBufferPointer) throws(ServerSentEventError) -> ServerSentEvent? {
        if blockIsDelivered { clearBlock() }
        var block = Block()
        while input.count > 0 {
            switch state {
            case .lines: break
            case .start(let matched):
                skipByteOrderMark(&input, matched)
                continue
            case .afterCarriageReturn:
                state = .lines
                if input[0] == .lineFeed { input = input.slice(1, input.count) }
                continue
            case .failed(let error): throw error
            }
            guard let end = endOfLine(input) else {
                try checkSize(partialLine.count + input.count)
                partialLine.append(input)
                input = input.slice(input.count, input.count)
                break
            }
            try checkSize(partialLine.count + end)
            if partialLine.count > 0 {
                partialLine.append(input.slice(0, end))
                input = input.slice(end, input.count)
                // The line is processed in the next call.
                if beginsNext(partialLine.bytes, block), let event = endBlock(block, isCutByNext: true) { return event }
                advance(&input, past: 0)
                takeLine(partialLine.bytes, &block)
                // The line's contents are not in the input: copy them before the storage is reused.
                keep(&block)
                partialLine.clear(keepingCapacity: Self.maxKeptBytes)
                if isLineSeparated, !data.isEmpty, let event = endBlock(block) { return event }
                continue
            }
            let line = input.slice(0, end)
            if end > 0, beginsNext(line, block), let event = endBlock(block, isCutByNext: true) { return event }
            advance(&input, past: end)
            if end > 0 {
                takeLine(line, &block)
                if isLineSeparated, block.data != nil || !data.isEmpty, let event = endBlock(block) { return event }
            } else if let event = endBlock(block) {
                return event
            } else {
                block = Block()
            }
        }
        keep(&block)
        return nil
    }

    /// The incomplete event at the end of a stream. The standard discards it, because it may be truncated; for callers that can
    /// tell from the data.
    public mutating func unfinishedEvent() -> ServerSentEvent? {
        if blockIsDelivered { clearBlock() }
        var block = Block()
        if partialLine.count > 0 {
            takeLine(partialLine.bytes, &block)
            keep(&block)
            partialLine.clear()
        }
        return endBlock(block)
    }

    /// Whether the line begins a new event despite the missing empty line after the previous data.
    @inline(__always)
    private mutating func beginsNext(_ line: UnsafeRawBufferPointer, _ block: Block) -> Bool {
        // Nearly every event has one line of data.
        guard block.data != nil || !data.isEmpty, isLenient else { return false }
        guard beginsObject(line), isOneObject(block) else { return false }
        isLineSeparated = true
        return true
    }

    /// Whether a line begins another object, or is `[DONE]`.
    private func beginsObject(_ line: UnsafeRawBufferPointer) -> Bool {
        var value = line
        if line.slice(0, min(5, line.count)).equals("data:") {
            value = line.slice(5, line.count)
            if value.first == .space { value = value.slice(1, value.count) }
        } else if !blockIsBare {
            return false
        }
        return value.first == UInt8(ascii: "{") || value.slice(0, min(6, value.count)).equals("[DONE]")
    }

    /// Whether the data so far is one line that starts and ends with a brace. Checks only the ends: the data may be large, followed
    /// by many lines.
    private func isOneObject(_ block: Block) -> Bool {
        if dataHasSeveralLines { return false }
        let before = block.data ?? data.bytes.slice(0, data.count - 1)
        return before.first == UInt8(ascii: "{") && before.last == UInt8(ascii: "}")
    }

    /// The part of an event that is still in the input.
    private struct Block {
        var data: UnsafeRawBufferPointer?
        var type: UnsafeRawBufferPointer?
    }

    private static var maxKeptBytes: Int { 65_536 }

    private mutating func checkSize(_ lineByteCount: Int) throws(ServerSentEventError) {
        if blockByteCount + lineByteCount > maxEventBytes {
            let error = ServerSentEventError.eventTooLarge(limitBytes: maxEventBytes)
            state = .failed(error)
            partialLine.clear(keepingCapacity: 0)
            data.clear(keepingCapacity: 0)
            throw error
        }
    }

    private mutating func skipByteOrderMark(_ input: inout UnsafeRawBufferPointer, _ matched: Int) {
        let mark: (UInt8, UInt8, UInt8) = (0xEF, 0xBB, 0xBF)
        let expected = matched == 0 ? mark.0 : matched == 1 ? mark.1 : mark.2
        if input[0] == expected {
            input = input.slice(1, input.count)
            state = matched == 2 ? .lines : .start(matchedByteCount: matched + 1)
        } else {
            // Not a byte order mark: its octets begin the first line.
            if matched > 0 { partialLine.append(mark.0) }
            if matched > 1 { partialLine.append(mark.1) }
            state = .lines
        }
    }

    @inline(__always)
    private mutating func endOfLine(_ input: UnsafeRawBufferPointer) -> Int? {
        let usual: UInt8 = prefersCarriageReturn ? .carriageReturn : .lineFeed
        if input[0] == usual { return 0 }
        let other: UInt8 = prefersCarriageReturn ? .lineFeed : .carriageReturn
        let usualEnd = input.offset(of: usual)
        guard let otherEnd = input.slice(0, usualEnd ?? input.count).offset(of: other) else { return usualEnd }
        // CRLF does not change the preference: the LF bounds the search.
        if otherEnd + 1 != usualEnd { prefersCarriageReturn.toggle() }
        return otherEnd
    }

    @inline(__always)
    private mutating func advance(_ input: inout UnsafeRawBufferPointer, past end: Int) {
        var used = end + 1
        if input[end] == .carriageReturn {
            if used == input.count {
                state = .afterCarriageReturn
            } else if input[used] == .lineFeed {
                used += 1
            }
        }
        input = input.slice(used, input.count)
    }

    @inline(__always)
    private mutating func takeLine(_ line: UnsafeRawBufferPointer, _ block: inout Block) {
        if line[0] == UInt8(ascii: ":") { return }
        blockByteCount += line.count
        // Nearly every line of a token stream is "data:".
        if line.count > 4, line[4] == UInt8(ascii: ":"),
            line.loadUnaligned(as: UInt32.self) == UInt32(littleEndian: 0x6174_6164)
        {
            let valueStart = line.count > 5 && line[5] == .space ? 6 : 5
            takeData(line.slice(valueStart, line.count), &block)
        } else {
            takeField(line, &block)
        }
    }

    private mutating func takeField(_ line: UnsafeRawBufferPointer, _ block: inout Block) {
        if isLenient, blockIsBare || line[0] == UInt8(ascii: "{") {
            blockIsBare = true
            takeData(line, &block)
            return
        }
        let colon = line.offset(of: UInt8(ascii: ":")) ?? line.count
        var value = line.slice(min(colon + 1, line.count), line.count)
        if value.first == .space { value = value.slice(1, value.count) }
        let name = line.slice(0, colon)
        if name.equals("data") {
            takeData(value, &block)
        } else if name.equals("event") {
            setType(value, &block)
        } else if name.equals("id") {
            guard value.offset(of: 0) == nil else { return }
            idOfBlock.clear()
            idOfBlock.append(value)
            idHasChanged = true
        } else if isLenient, name.equals("error") {
            setType(name, &block)
            takeData(value, &block)
        } else if name.equals("retry"), let milliseconds = value.decimalNumber {
            retryMilliseconds = milliseconds
        }
    }

    private mutating func setType(_ type: UnsafeRawBufferPointer, _ block: inout Block) {
        guard block.data != nil || !data.isEmpty else {
            block.type = type
            return
        }
        laterType.clear()
        laterType.append(type)
        hasLaterType = true
    }

    @inline(__always)
    private mutating func takeData(_ value: UnsafeRawBufferPointer, _ block: inout Block) {
        if data.isEmpty, block.data == nil {
            block.data = value
        } else {
            keepData(&block)
            dataHasSeveralLines = true
            data.append(value)
            data.append(.lineFeed)
        }
    }

    private mutating func keepData(_ block: inout Block) {
        guard let value = block.data else { return }
        data.append(value)
        data.append(.lineFeed)
        block.data = nil
    }

    private mutating func keep(_ block: inout Block) {
        keepData(&block)
        if let type = block.type {
            self.type.clear()
            self.type.append(type)
            block.type = nil
        }
    }

    /// Handles the empty line; nil if the block had no data and so is not an event.
    /// - Parameter isCutByNext: ended by the data of the next event instead of an empty line.
    private mutating func endBlock(_ block: Block, isCutByNext: Bool = false) -> ServerSentEvent? {
        blockByteCount = 0
        if idHasChanged {
            idHasChanged = false
            idOfLastEvent.clear()
            idOfLastEvent.append(idOfBlock.bytes)
        }
        guard block.data != nil || !data.isEmpty else {
            clearBlock()
            return nil
        }
        blockIsDelivered = true
        self.isCutByNext = isCutByNext
        let type = hasLaterType && !isCutByNext ? laterType.bytes : block.type ?? self.type.bytes
        return ServerSentEvent(
            type: type.count > 0 ? type : Self.message,
            data: block.data ?? data.bytes.slice(0, data.count - 1))
    }

    private mutating func clearBlock() {
        blockIsDelivered = false
        blockIsBare = false
        dataHasSeveralLines = false
        if !data.isEmpty { data.clear(keepingCapacity: Self.maxKeptBytes) }
        if !type.isEmpty { type.clear() }
        if hasLaterType { clearLaterType() }
        isCutByNext = false
    }

    private mutating func clearLaterType() {
        if isCutByNext { swap(&type, &laterType) }
        laterType.clear()
        hasLaterType = false
    }

    private static var message: UnsafeRawBufferPointer {
        let name: StaticString = "message"
        return UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func equals(_ name: StaticString) -> Bool {
        count == name.utf8CodeUnitCount && elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: count))
    }
}
