import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

extension EventStream.ErrorForm {
    /// The form that SDKs raise.
    fileprivate static let chat = EventStream.ErrorForm(
        append: { error, output in
            ServerSentEventWriter.begin(into: &output)
            output.append(error.body)
            ServerSentEventWriter.end(into: &output)
        }, isDone: true)
}

/// A response as a stream of `chat.completion.chunk`.
final class ChatStream: EventReader {
    private let call: Call
    private let stream: EventStream
    private let completion: ChatCompletion
    private let includesUsage: Bool
    /// For the header; known once the input is submitted.
    var sessionID: String?
    private var response: ResponseHeader?
    private var statusHold: StatusHold?
    /// Calls by `output_index`.
    private var calls: [Int: ChatToolCall] = [:]
    /// The constant beginning of each chunk, up to the contents of `delta`.
    private var chunkHead = ByteBuffer()
    private var sentRole = false

    init(_ call: Call, _ completion: ChatCompletion, includesUsage: Bool) {
        self.call = call
        self.completion = completion
        self.includesUsage = includesUsage
        stream = EventStream(call, errors: .chat)
        super.init(loop: call.loop, catchUp: .losslessOrClose)
        ServerSentEventWriter.begin(into: &chunkHead)
        chunkHead.appendJSONObject { completion.writeHead(object: "chat.completion.chunk", to: &$0) }
        chunkHead.removeLast(1)
        chunkHead.append(",\"choices\":[{\"index\":0,\"delta\":{" as StaticString)
        call.exchange.endsWithInput = true
        call.exchange.onDisconnect = { [self] in
            statusHold?.cancel()
            stream.stopHeartbeats()
            stop()
        }
        call.exchange.onDrained = { [self] in resume() }
        // The client may have left while the session was being looked up.
        if call.exchange.isEnded { stop() }
        statusHold = StatusHold(call) { [unowned self] in
            response == nil
        } commit: { [unowned self] in
            commit()
        }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        if let response {
            guard event.isPart(of: response) else { return .more }
        } else {
            guard let header = event.response, header.id == completion.id else { return .more }
            response = header
        }
        switch event.kind {
        case .responseInProgress: commit()
        case .outputTextDelta: writeDelta("\"content\":\"", event)
        case .refusalDelta: writeDelta("\"refusal\":\"", event)
        case .reasoningTextDelta: writeDelta("\"reasoning_content\":\"", event)
        case .outputItemAdded: writeToolCall(event)
        case .functionCallArgumentsDelta, .customToolCallInputDelta: writeArguments(event)
        case .outputItemDone: writeProviderMembers(event)
        case .step: writeStep(event)
        case .responseFailed:
            if let failure = response?.failure { fail(APIError(failure)) }
        case .responseCompleted, .responseIncomplete, .responseCancelled: end(event)
        default: break
        }
        return stream.isCongested ? .pause : .more
    }

    override func receivePlaceGone() {
        fail(APIError(status: .gone, message: "The events of this completion are no longer kept.", code: "events_expired"))
    }

    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response resumes after a restart of the server.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    /// Sends an error: as the status if nothing has been sent yet, otherwise in the stream.
    func fail(_ error: APIError) {
        statusHold?.cancel()
        stop()
        if stream.hasBegun {
            stream.end(telling: error)
        } else {
            call.fail(error)
        }
    }

    /// Like ``fail(_:)``, but the idempotency key stays assigned to the completion.
    private func fail(cut: APIError) {
        if stream.hasBegun { return fail(cut) }
        statusHold?.cancel()
        stop()
        call.tell(cut)
    }

    private func commit() {
        if stream.hasBegun { return }
        statusHold?.cancel()
        guard !stream.isEnded else { return }
        let session = sessionID.map { [(name: "Interject-Session", value: $0)] } ?? []
        stream.begin(fields: response?.fields ?? session)
    }

    // MARK: Chunks

    private func writeDelta(_ member: StaticString, _ event: SessionEvent) {
        writeChunk(byteCount: event.byteCount) { output in
            output.append(member)
            event.appendText(to: &output)
            output.append("\"" as StaticString)
        }
    }

    /// Begins a tool call: its index, identifier and name, from the event's `item`.
    private func writeToolCall(_ event: SessionEvent) {
        guard event.item?.isCall == true, let item = event.announced?.json,
            let call = ChatToolCall(item, index: calls.count, usesFunctions: completion.usesFunctions)
        else { return }
        calls[event.outputIndex] = call
        writeChunk { call.appendStart(to: &$0) }
    }

    /// Sends an item's data for the provider, unless it was sent at the item's beginning.
    private func writeProviderMembers(_ event: SessionEvent) {
        guard event.hasProviderData, let item = event.item?.closed?.item.json else { return }
        let members = ProviderMembers(item)
        if members.isEmpty { return }
        if let call = calls[event.outputIndex] {
            if !call.hasProviderMembers { writeChunk(byteCount: event.encodedByteCount) { call.append(members, to: &$0) } }
        } else {
            writeChunk(byteCount: event.encodedByteCount) { members.append(to: &$0) }
        }
    }

    private func writeArguments(_ event: SessionEvent) {
        guard let call = calls[event.outputIndex] else { return }
        writeChunk(byteCount: event.byteCount) { output in
            call.appendInput(event, to: &output)
        }
    }

    /// Sends a step of the agent with an empty delta, which other clients ignore.
    private func writeStep(_ event: SessionEvent) {
        commit()
        stream.write { output in
            output.append(chunkHead.bytes)
            output.append("},\"logprobs\":null,\"finish_reason\":null}]" as StaticString)
            if includesUsage { output.append(",\"usage\":null" as StaticString) }
            output.append(",\"interject\":" as StaticString)
            output.appendJSONObject { object in event.withJSON { object.field("step", json: $0) } }
            output.append("}" as StaticString)
            ServerSentEventWriter.end(into: &output)
        }
    }

    /// - Parameter byteCount: approximate size of what `delta` appends.
    private func writeChunk(byteCount: Int = 0, _ delta: (inout ByteBuffer) -> Void) {
        commit()
        stream.write(byteCount: byteCount) { output in
            output.append(chunkHead.bytes)
            if !sentRole {
                output.append("\"role\":\"assistant\"," as StaticString)
                sentRole = true
            }
            delta(&output)
            output.append("},\"logprobs\":null,\"finish_reason\":null}]" as StaticString)
            output.append(includesUsage ? ",\"usage\":null}" as StaticString : "}" as StaticString)
            ServerSentEventWriter.end(into: &output)
        }
    }

    private func end(_ event: SessionEvent) {
        guard let ending = ChatCompletion.Ending(event, cutForm: completion.cutForm) else { return fail(.unreadableResponse) }
        if let cut = ending.failure(completionID: completion.id) { return fail(cut: cut) }
        commit()
        stream.write { output in
            if !sentRole {
                output.append(chunkHead.bytes)
                output.append("\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]" as StaticString)
                output.append(includesUsage ? ",\"usage\":null}" as StaticString : "}" as StaticString)
                ServerSentEventWriter.end(into: &output)
            }
            output.append(chunkHead.bytes)
            output.append("},\"logprobs\":null,\"finish_reason\":\"" as StaticString)
            output.append(completion.finishReason(ending))
            output.append("\"}]" as StaticString)
            if includesUsage { output.append(",\"usage\":null" as StaticString) }
            if ending.hasExtension(tellsUsage: includesUsage) {
                output.append(",\"interject\":" as StaticString)
                output.appendJSONObject { ending.writeExtension(sessionID: response?.sessionID, to: &$0) }
            }
            output.append("}" as StaticString)
            ServerSentEventWriter.end(into: &output)
        }
        if includesUsage {
            stream.write { output in
                ServerSentEventWriter.begin(into: &output)
                output.appendJSONObject {
                    completion.writeHead(object: "chat.completion.chunk", to: &$0)
                    $0.array("choices") { _ in }
                    ending.writeUsage(to: &$0)
                }
                ServerSentEventWriter.end(into: &output)
            }
        }
        stream.end(done: true)
        stop()
    }
}
