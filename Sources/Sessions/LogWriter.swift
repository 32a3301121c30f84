import Bytes

/// Appends events to a log, and delivers each to the log's audience once it is committed. Loop-confined.
final class LogWriter {
    let log: SessionLog
    let audience: Audience
    private let memory: MemoryTally
    /// Buffer in which event bodies are encoded.
    private var scratch = ByteBuffer()

    /// Size of the scratch buffer between responses, in bytes.
    private static let idleScratchByteCount = 4096

    init(_ log: SessionLog, audience: Audience, memory: MemoryTally) {
        self.log = log
        self.audience = audience
        self.memory = memory
    }

    /// Appends an event of the session.
    /// - Parameter named: a response that the event names, with its output.
    func append(_ kind: EventKind, naming named: ResponseHeader? = nil, _ write: (inout ByteBuffer) -> Void) {
        scratch.clear()
        write(&scratch)
        publish { log.append(kind, nil, responseSequence: -1, nil, naming: named, body: scratch.bytes) }
    }

    /// Appends an event of the session whose first part was encoded elsewhere; avoids a second copy.
    func append(
        _ kind: EventKind, json: UnsafeRawBufferPointer, naming named: ResponseHeader? = nil, _ write: (inout ByteBuffer) -> Void
    ) {
        scratch.clear()
        write(&scratch)
        let rest = scratch.bytes
        publish {
            log.append(
                kind, nil, responseSequence: -1, nil, naming: named,
                byteCount: Varint.byteCount(json.count) + json.count + rest.count
            ) { room in
                var room = room
                Varint.write(json.count, to: &room)
                if let start = json.baseAddress { room.copyMemory(from: start, byteCount: json.count) }
                if let start = rest.baseAddress { (room + json.count).copyMemory(from: start, byteCount: rest.count) }
            }
        }
    }

    /// Appends an event of a response.
    /// - Parameter number: number of the event within the response.
    func append(
        _ kind: EventKind, of response: ResponseHeader, number: Int, _ item: ResponseItem?, _ write: (inout ByteBuffer) -> Void
    ) {
        scratch.clear()
        write(&scratch)
        publish { log.append(kind, response, responseSequence: number, item, body: scratch.bytes) }
    }

    /// Token path: appends a piece of an item's text directly to the page that all readers share.
    @inline(__always)
    func append(
        delta kind: EventKind, of response: ResponseHeader, number: Int, _ item: ResponseItem, offset: Int,
        _ text: UnsafeRawBufferPointer, _ form: SessionEvent.TextForm
    ) {
        publish {
            log.append(
                kind, response, responseSequence: number, item, byteCount: 1 + Varint.byteCount(offset) + text.count
            ) { room in
                var room = room
                room.storeBytes(of: form.rawValue, as: UInt8.self)
                room += 1
                Varint.write(offset, to: &room)
                if let start = text.baseAddress { room.copyMemory(from: start, byteCount: text.count) }
            }
        }
    }

    @inline(__always)
    private func publish(_ append: () -> SessionEvent) {
        let before = log.byteCount
        var event = append()
        if log.byteCount != before { memory.changed(by: log.byteCount - before) }
        // An uncommitted event is delivered once it is committed.
        if log.committedPosition >= event.position { audience.deliver(&event) }
        audience.holdUpstreamIfNeeded()
    }

    /// Releases the buffer of a long event, so that idle sessions do not retain it.
    func shrink() { scratch.clear(keepingCapacity: Self.idleScratchByteCount) }
}
