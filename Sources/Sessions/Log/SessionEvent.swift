public import Bytes
import JSON
import JSONSchema

/// The location of an encoded event's parts in its page.
struct EncodedEvent {
    let kind: UInt8
    /// Ordinal of the response; 0 for none.
    let response: Int
    /// -1 if there is no response.
    let responseSequence: Int
    /// Index of the output item; -1 for none.
    let item: Int
    let body: Range<Int>

    var end: Int { body.upperBound }

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(MalformedEvent) {
        var position = offset
        guard let length = Varint.read(bytes, &position), length >= 2, length <= bytes.count - position else {
            throw MalformedEvent()
        }
        let end = position + length
        kind = bytes[position]
        position += 1
        guard let ordinal = Varint.read(bytes, &position), position <= end else { throw MalformedEvent() }
        response = ordinal
        if ordinal == 0 {
            responseSequence = -1
            item = -1
        } else {
            guard let sequence = Varint.read(bytes, &position), let index = Varint.read(bytes, &position), position <= end else {
                throw MalformedEvent()
            }
            responseSequence = sequence
            item = index - 1
        }
        body = position..<end
    }
}

extension EncodedEvent {
    /// Ordinals of the responses that the event belongs to or names.
    func responses(in bytes: UnsafeRawBufferPointer) -> [Int] {
        if response != 0 { return [response] }
        guard kind == EventKind.inputAccepted.rawValue else { return [] }
        let ordinal = AcceptedInput.Parts(UnsafeRawBufferPointer(rebasing: bytes[body])).interruptedOrdinal
        return ordinal == 0 ? [] : [ordinal]
    }
}

/// One event of a session's log: a view into a ``LogPage``, which it retains, decoded in place. Typed and neutral: each client's
/// vocabulary has an encoder for it.
public struct SessionEvent: Sendable {
    let page: LogPage
    let references: PageReferences
    /// Offsets of its beginning and end in the page.
    let offset: Int
    let end: Int
    private let bodyStart: Int
    /// Position in the session's log: 1, 2, 3 … without gaps.
    public let position: Int
    /// What happened.
    public let kind: EventKind
    /// Number within its response (`sequence_number`); -1 if none.
    public let responseSequence: Int
    /// Index of the output item (`output_index`); -1 if none.
    public let outputIndex: Int
    /// For deltas that were merged for a reader: position of the first; nil for events as they are in the log.
    public internal(set) var mergedFrom: Int?
    /// Whether other readers with the same ``EncodingPass`` get it, too, so that one encoding serves all of them.
    public internal(set) var isShared = false
    // The page's references retain them, and the event retains the page, whose references only grow.
    private let storedResponse: Unmanaged<ResponseHeader>?
    private let storedItem: Unmanaged<ResponseItem>?

    /// Nil for an unknown kind, or an invalid event.
    @inline(__always)
    init?(_ page: LogPage, _ references: PageReferences, at offset: Int, upTo end: Int, position: Int) {
        guard let encoded = try? EncodedEvent(page.bytes(upTo: end), at: offset), let kind = EventKind(rawValue: encoded.kind)
        else {
            return nil
        }
        self.page = page
        self.references = references
        self.offset = offset
        self.end = encoded.end
        bodyStart = encoded.body.lowerBound
        self.position = position
        self.kind = kind
        responseSequence = encoded.responseSequence
        outputIndex = encoded.item
        storedResponse = encoded.response == 0 ? nil : references.response(encoded.response)
        storedItem = encoded.item < 0 ? nil : references.item(encoded.item, of: encoded.response)
    }

    /// The position with its epoch, as clients send and receive it.
    @inline(__always)
    public var logPosition: LogPosition { LogPosition(epoch: page.epoch, sequence: position) }
    /// The response that it belongs to.
    public var response: ResponseHeader? { storedResponse?.takeUnretainedValue() }
    /// The output item that it concerns.
    public var item: ResponseItem? { storedItem?.takeUnretainedValue() }
    /// Bytes of the log from its beginning to the end of this event.
    var endOffset: Int { logOffset ?? page.startOffset + end }
    /// For a merged event, which has a page of its own.
    var logOffset: Int?
    /// Size in the log, in bytes.
    public var byteCount: Int { end - offset }

    /// Whether it belongs to this response: a single comparison, for filters on the token path.
    @inline(__always)
    public func isPart(of response: ResponseHeader) -> Bool {
        storedResponse?.toOpaque() == Unmanaged.passUnretained(response).toOpaque()
    }

    /// The encoded event as in the log.
    public func withEncoded<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(page) { try body(page.bytes(offset..<end)) }
    }

    /// The parts of the body.
    @inline(__always)
    func withParts<Result>(_ body: (inout EventParts) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(page) {
            var parts = EventParts(page.bytes(bodyStart..<end))
            return try body(&parts)
        }
    }

    /// Another response that the event names.
    func named(_ ordinal: Int) -> ResponseHeader? { references.response(ordinal)?.takeUnretainedValue() }
}

// MARK: Contents

extension SessionEvent {
    /// Whether a delta's text needs escapes in JSON.
    public enum TextForm: UInt8 {
        case needsEscapes = 0
        case plain = 1
    }

    /// The text of a delta, in UTF-8.
    @inline(__always)
    public func withText<Result>(_ body: (UnsafeRawBufferPointer, TextForm) throws -> Result) rethrows -> Result {
        try withParts { parts in
            let form = TextForm(rawValue: parts.byte()) ?? .needsEscapes
            _ = parts.number()
            return try body(parts.rest, form)
        }
    }

    /// Appends a delta's text as the contents of a JSON string. Not generic, so that the token path makes a single call across the
    /// modules.
    public func appendText(to output: inout ByteBuffer) {
        withText { text, form in
            if form == .plain { output.append(text) } else { output.appendJSONStringContents(utf8: text) }
        }
    }

    /// Offset of a delta's text within the whole text of its item, in UTF-8 bytes.
    public var textOffset: Int {
        withParts { parts in
            _ = parts.byte()
            return parts.number()
        }
    }

    /// The session as it was created, the accepted items, an item as changed, or a step, as JSON: for ``EventKind/sessionCreated``,
    /// ``EventKind/inputAccepted``, ``EventKind/itemsAdded``, ``EventKind/itemsInserted``, ``EventKind/itemReplaced``,
    /// ``EventKind/itemTruncated`` and ``EventKind/step``.
    public func withJSON<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withParts { try body($0.counted()) }
    }

    /// For ``EventKind/participantJoined`` and ``EventKind/participantLeft``.
    public var participant: Participant? {
        withParts { Participant(id: $0.string(), name: $0.string()) }
    }

    /// For ``EventKind/inputAccepted``.
    public var acceptedInput: AcceptedInput {
        withParts { parts in
            let told = AcceptedInput.Parts(parts.rest)
            var input = told.input
            if let cut = told.cut { input.interrupted = (cut, named(told.interruptedOrdinal)) }
            return input
        }
    }

    /// For ``EventKind/cancelled``.
    public var cancellation: Cancellation {
        withParts { parts in
            var told = Cancellation(responseID: parts.string(), reason: parts.string())
            (told.participant, told.clientEventID) = Self.sender(&parts)
            return told
        }
    }

    fileprivate static func sender(_ parts: inout EventParts) -> (Participant?, String?) {
        let participant = parts.byte() == 0 ? nil : Participant(id: parts.string(), name: parts.string())
        return (participant, parts.optionalString())
    }

    /// For ``EventKind/rolledBack``; only the items for ``EventKind/itemsDeleted``.
    public var removal: (responseID: String?, itemIDs: [String]) {
        withParts { parts in
            let responseID = parts.optionalString()
            var itemIDs: [String] = []
            for _ in 0..<min(parts.number(), byteCount) { itemIDs.append(parts.string()) }
            return (responseID, itemIDs)
        }
    }

    /// For ``EventKind/itemsInserted``: identifier of the preceding item; nil at the beginning of the conversation.
    public var precedingItemID: String? {
        withParts { parts in
            _ = parts.counted()
            return parts.optionalString()
        }
    }

    /// For ``EventKind/itemTruncated``: milliseconds of the item's audio that were heard; nil if it was truncated by text.
    public var audioEndMilliseconds: Int? {
        withParts { parts in
            _ = parts.counted()
            let milliseconds = parts.number()
            return milliseconds == 0 ? nil : milliseconds - 1
        }
    }

    /// For ``EventKind/steerAccepted``.
    public var steer: (id: String, responseID: String) { withParts { ($0.string(), $0.string()) } }

    /// For ``EventKind/error``.
    public var failure: (code: String, message: String, param: String?) {
        withParts { ($0.string(), $0.string(), $0.optionalString()) }
    }

    /// For ``EventKind/validation``.
    public var verdict: OutputVerdict {
        withParts { parts in
            parts.byte() == 1
                ? .valid : .invalid(JSONSchema.Violation(path: parts.string(), message: parts.string()))
        }
    }

    /// The item announced by an ``EventKind/outputItemAdded`` event, without text.
    public var announced: Item? {
        guard kind == .outputItemAdded else { return nil }
        let item = OutputItem(restoringFrom: self)
        return item.announcement
    }

    /// Whether the item of an ``EventKind/outputItemAdded`` or ``EventKind/outputItemDone`` event has data that must be returned to
    /// its provider.
    public var hasProviderData: Bool { provider != nil }

    /// Data of an item that must be returned to its provider: for ``EventKind/outputItemAdded`` and ``EventKind/outputItemDone``.
    var provider: String? {
        withParts { parts in
            switch kind {
            case .outputItemAdded:
                _ = ResponseItem(index: 0, &parts)
                return parts.optionalString()
            case .outputItemDone:
                _ = parts.byte()
                return parts.optionalString()
            default: return nil
            }
        }
    }
}

/// The contents of an ``EventKind/inputAccepted`` event besides its items.
public struct AcceptedInput: Sendable {
    /// Nil if no response was running.
    public var mode: InterjectionMode?
    /// The response to it.
    public var responseID: String
    /// The response that it interrupted, and the header with its output.
    public var interrupted: (cut: CutResponse, response: ResponseHeader?)?
    /// The participant that it is from; nil if unnamed.
    public var participant: Participant?
    /// The client's identifier of the command.
    public var clientEventID: String?
}

extension AcceptedInput {
    /// The encoded form in the log.
    fileprivate struct Parts {
        var input: AcceptedInput
        var cut: CutResponse?
        /// Ordinal of the interrupted response; 0 for none.
        var interruptedOrdinal = 0

        init(_ body: UnsafeRawBufferPointer) {
            var parts = EventParts(body)
            _ = parts.counted()
            let mode = InterjectionMode(code: parts.byte())
            input = AcceptedInput(mode: mode, responseID: parts.string())
            if parts.byte() != 0 {
                cut = CutResponse(
                    responseID: parts.string(), itemIndex: parts.number() - 1, messageIndex: parts.number() - 1,
                    outputTokens: parts.number())
                interruptedOrdinal = parts.number()
            }
            (input.participant, input.clientEventID) = SessionEvent.sender(&parts)
        }
    }
}

/// An interrupted response, and its output so far.
public struct CutResponse: Sendable {
    /// The identifier of the response.
    public var responseID: String
    /// Index of the open item, or else the last one; -1 for none.
    public var itemIndex: Int
    /// Index of the last message, whose text is the output so far; -1 for none.
    public var messageIndex: Int
    /// Number of deltas delivered, as an estimate of the tokens.
    public var outputTokens: Int
}

/// The contents of an ``EventKind/cancelled`` event.
public struct Cancellation: Sendable {
    /// The identifier of the cancelled response.
    public var responseID: String
    /// ``Session/CancelReason`` as on the wire.
    public var reason: String
    /// The participant that cancelled; nil if unnamed.
    public var participant: Participant?
    /// The client's identifier of the command.
    public var clientEventID: String?
}

extension InterjectionMode {
    /// The number in the log.
    var code: UInt8 {
        switch self {
        case .interrupt: 1
        case .queue: 2
        case .steer: 3
        case .reject: 4
        case .rollback: 5
        }
    }

    init?(code: UInt8) {
        switch code {
        case 1: self = .interrupt
        case 2: self = .queue
        case 3: self = .steer
        case 4: self = .reject
        case 5: self = .rollback
        default: return nil
        }
    }
}
