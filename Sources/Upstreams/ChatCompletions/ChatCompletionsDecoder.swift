import Bytes
import HTTP
import JSON
package import Sessions

/// Decodes responses of `chat/completions`: chunks in server-sent events up to `[DONE]`, or one JSON object.
///
/// Only one choice is read. `usage` follows the finish reason, so the answer is complete at `[DONE]`, or at the end of the body
/// from servers that omit it. `[DONE]` without a finish reason means a truncated answer: llama-cpp-python ends a stream that way
/// when another request preempts it.
package struct ChatCompletionsDecoder: ResponseDecoder, ~Copyable {
    private var events = ServerSentEventParser(maxEventBytes: UpstreamLimits.maxEventBytes, isLenient: true)
    private var chunks = ChatChunkReader()

    package init() {}

    package var hasDelivered: Bool { chunks.hasDelivered }
    package var hasFinished: Bool { chunks.hasFinished }

    package mutating func receive<Sink: ModelSink>(
        _ bytes: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason? {
        var input = bytes
        while let event = try nextEvent(&input) {
            if event.isDone { return try chunks.conclude(into: sink) }
            if event.isError, !chunks.isWhole { throw .inBand(UpstreamErrorObject(text: event.dataText)) }
            // An empty `data:` keeps a connection alive.
            if !event.data.isEmpty { try chunks.read(event.data, into: sink) }
        }
        return nil
    }

    package mutating func end<Sink: ModelSink>(into sink: Sink) throws(UpstreamFault) -> FinishReason {
        switch events.takeUnfinished() {
        case .error(let error) where !chunks.isWhole: throw .inBand(error)
        case .line(let event): try readLast(event, into: sink)
        case .error, .nothing: break
        }
        return try chunks.conclude(into: sink)
    }

    /// Reads the last event, which may be truncated. How the answer ended decides whether it is complete.
    private mutating func readLast<Sink: ModelSink>(_ event: ServerSentEvent, into sink: Sink) throws(UpstreamFault) {
        do throws(UpstreamFault) {
            try chunks.read(event.data, into: sink)
        } catch .malformed {
            return
        }
    }

    package mutating func receiveWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason {
        do throws(UpstreamFault) {
            try chunks.read(body, into: sink)
        } catch .malformed where LenientJSON.isSeveralLines(body) {
            // The body was not JSON, so nothing was delivered.
            if let reason = try receive(body, into: sink) { return reason }
            return try end(into: sink)
        }
        return try chunks.conclude(into: sink)
    }

    private mutating func nextEvent(_ input: inout UnsafeRawBufferPointer) throws(UpstreamFault) -> ServerSentEvent? {
        do throws(ServerSentEventError) {
            return try events.next(&input)
        } catch {
            throw .malformed("an event of more than \(UpstreamLimits.maxEventBytes) bytes")
        }
    }
}
