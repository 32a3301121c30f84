import Bytes
public import JSON

/// The events of a response, in the form and order of `Protocols/responses.md`.
extension Generation {
    /// An event that carries the whole response.
    func emitLifecycle(_ type: EventType) {
        // The event that carries it counts.
        emit(type) { event in event.object("response") { self.write(lastSequenceNumber: sequenceNumber, to: &$0) } }
    }

    func emitAdded(_ item: OutputItem) {
        emit(.outputItemAdded, outputIndex: item.index) { event in
            event.field("output_index", item.index)
            event.object("item") { item.write(to: &$0, isAdded: true) }
        }
        guard item.partType != nil else { return }
        emit(.contentPartAdded, outputIndex: item.index) { event in
            self.writePlace(of: item, to: &event)
            event.object("part") { item.writePart(to: &$0, isAdded: true) }
        }
    }

    /// Pieces of so many bytes are copied straight into the event.
    private static let leastLargeDeltaByteCount = 256 << 10

    /// Token path: one allocation, that of the payload which every reader shares.
    func emitDelta(_ type: EventType, of item: OutputItem, _ escaped: UnsafeRawBufferPointer) {
        item.contents.append(escaped)
        let session = session
        session.scratch.clear()
        session.scratch.append("{\"type\":\"" as StaticString)
        session.scratch.append(type.rawValue)
        session.scratch.append("\",\"sequence_number\":" as StaticString)
        session.scratch.append(decimal: sequenceNumber)
        session.scratch.append(",\"item_id\":\"" as StaticString)
        session.scratch.append(item.id)
        session.scratch.append("\",\"output_index\":" as StaticString)
        session.scratch.append(decimal: item.index)
        if item.toolIndex < 0 { session.scratch.append(",\"content_index\":0" as StaticString) }
        session.scratch.append(",\"delta\":\"" as StaticString)
        let start = session.scratch.count
        let end = start + escaped.count
        let tail = type == .outputTextDelta ? "\",\"logprobs\":[]}" as StaticString : "\"}" as StaticString
        if escaped.count >= Self.leastLargeDeltaByteCount {
            session.scratch.append(tail)
            let payload = session.scratch.array(inserting: escaped, at: start)
            session.append(type, payload, of: self, delta: start..<end, outputIndex: item.index)
            return
        }
        session.scratch.append(escaped)
        session.scratch.append(tail)
        session.append(type, of: self, delta: start..<end, outputIndex: item.index)
    }

    /// Tells of the end of an item, as far as it is not told yet.
    func emitDone(_ item: OutputItem) { while emitNextDone(item) {} }

    /// Tells the next of the events of an item's end, each of which has all that it says.
    /// - Returns: whether there is another.
    @discardableResult
    func emitNextDone(_ item: OutputItem) -> Bool {
        switch item.ending {
        case .contents:
            emitContentsDone(item)
            item.ending = item.partType == nil ? .item : .part
        case .part:
            emit(.contentPartDone, of: item) { event in
                self.writePlace(of: item, to: &event)
                event.object("part") { item.writePart(to: &$0) }
            }
            item.ending = .item
        case .item:
            emit(.outputItemDone, of: item) { event in
                event.field("output_index", item.index)
                event.object("item") { item.write(to: &$0) }
            }
            item.ending = .told
        case .told: break
        }
        return item.ending != .told
    }

    private func emitContentsDone(_ item: OutputItem) {
        switch item.kind {
        case .message(let isRefusal):
            emit(isRefusal ? .refusalDone : .outputTextDone, of: item) { event in
                self.writePlace(of: item, to: &event)
                item.writeContents(isRefusal ? "refusal" : "text", to: &event)
                if !isRefusal { event.array("logprobs") { _ in } }
            }
        case .reasoning:
            emit(.reasoningTextDone, of: item) { event in
                self.writePlace(of: item, to: &event)
                item.writeContents("text", to: &event)
            }
        case .functionCall(_, let name):
            emit(.functionCallArgumentsDone, of: item) { event in
                event.field("item_id", item.id)
                event.field("output_index", item.index)
                event.field("name", name)
                item.writeContents("arguments", to: &event)
            }
        case .customToolCall:
            emit(.customToolCallInputDone, of: item) { event in
                event.field("item_id", item.id)
                event.field("output_index", item.index)
                item.writeContents("input", to: &event)
            }
        }
    }

    /// The flat form, which the SDK yields and does not raise: `response.failed` follows it.
    func emitError(_ error: GenerationError) {
        reference.failure = error
        emit(.error) { event in
            event.field("code", error.code)
            event.field("message", error.message)
            event.field("param", error.param)
        }
    }

    private func writePlace(of item: OutputItem, to event: inout JSONObjectWriter) {
        event.field("item_id", item.id)
        event.field("output_index", item.index)
        event.field("content_index", 0)
    }

    /// An event that tells all of an item's contents.
    private func emit(_ type: EventType, of item: OutputItem, _ body: (inout JSONObjectWriter) -> Void) {
        item.beginSplice()
        session.scratch.clear()
        session.scratch.appendJSONObject { event in
            event.field("type", type.rawValue)
            event.field("sequence_number", sequenceNumber)
            body(&event)
        }
        if let offset = item.endSplice() {
            let payload = session.scratch.array(inserting: item.contents.bytes, at: offset)
            session.append(type, payload, of: self, delta: 0..<0, outputIndex: item.index)
        } else {
            session.append(type, of: self, delta: 0..<0, outputIndex: item.index)
        }
    }

    func emit(_ type: EventType, outputIndex: Int = 0, _ body: (inout JSONObjectWriter) -> Void) {
        session.scratch.clear()
        session.scratch.appendJSONObject { event in
            event.field("type", type.rawValue)
            event.field("sequence_number", sequenceNumber)
            body(&event)
        }
        session.append(type, of: self, delta: 0..<0, outputIndex: outputIndex)
    }

    // MARK: The response object

    /// Writes the response as it stands: OpenAI's members, and all that Open Responses asks for.
    public func write(to writer: inout JSONObjectWriter) { write(lastSequenceNumber: sequenceNumber - 1, to: &writer) }

    private func write(lastSequenceNumber: Int, to writer: inout JSONObjectWriter) {
        let members = parameters.members
        func echo(_ name: StaticString, _ key: String, _ missing: JSONValue, to writer: inout JSONObjectWriter) {
            writer.field(name, members[key] ?? missing)
        }
        writer.field("id", id)
        writer.field("object", "response")
        writer.field("created_at", createdAt)
        writer.field("status", status.name)
        if let completedAt { writer.field("completed_at", completedAt) } else { writer.null("completed_at") }
        if case .failed(let error) = status {
            writer.object("error") {
                $0.field("code", error.code)
                $0.field("message", error.message)
            }
        } else {
            writer.null("error")
        }
        if case .incomplete(let reason) = status {
            writer.object("incomplete_details") { $0.field("reason", reason.rawValue) }
        } else {
            writer.null("incomplete_details")
        }
        writer.field("model", parameters.model)
        writer.field("previous_response_id", previousResponseID)
        if sessionID.hasPrefix("conv_") {
            writer.object("conversation") { $0.field("id", sessionID) }
        } else {
            writer.null("conversation")
        }
        writer.field("instructions", parameters.instructions)
        writer.array("output") { list in
            if status.isTerminal {
                for item in output { list.element(item.json) }
            } else {
                for item in items { list.object { item.write(to: &$0) } }
            }
        }
        echo("tools", "tools", [], to: &writer)
        echo("tool_choice", "tool_choice", "auto", to: &writer)
        echo("truncation", "truncation", "disabled", to: &writer)
        echo("parallel_tool_calls", "parallel_tool_calls", true, to: &writer)
        echo("text", "text", ["format": ["type": "text"]], to: &writer)
        echo("top_p", "top_p", 1, to: &writer)
        echo("temperature", "temperature", 1, to: &writer)
        echo("presence_penalty", "presence_penalty", 0, to: &writer)
        echo("frequency_penalty", "frequency_penalty", 0, to: &writer)
        echo("top_logprobs", "top_logprobs", 0, to: &writer)
        echo("reasoning", "reasoning", ["effort": .null, "summary": .null], to: &writer)
        echo("user", "user", .null, to: &writer)
        echo("max_output_tokens", "max_output_tokens", .null, to: &writer)
        echo("max_tool_calls", "max_tool_calls", .null, to: &writer)
        echo("store", "store", true, to: &writer)
        echo("background", "background", false, to: &writer)
        echo("service_tier", "service_tier", "default", to: &writer)
        echo("metadata", "metadata", [:], to: &writer)
        echo("safety_identifier", "safety_identifier", .null, to: &writer)
        echo("prompt_cache_key", "prompt_cache_key", .null, to: &writer)
        writeUsage(to: &writer)
        writer.object("interject") {
            $0.field("session_id", sessionID)
            $0.field("disconnect", policy.text)
            if let usage { $0.field("usage_estimated", usage.isEstimated) }
            route.write(to: &$0)
            let ignored = parameters.ignoredTools
            if !ignored.isEmpty { $0.array("ignored_tools") { list in for type in ignored { list.element(type) } } }
            if let verdict { $0.object("validation") { verdict.write(to: &$0) } }
            $0.object("progress") {
                $0.field("last_sequence_number", lastSequenceNumber)
                $0.field("output_tokens", deltaCount)
            }
            writeSteps(to: &$0)
        }
    }

    private func writeUsage(to writer: inout JSONObjectWriter) {
        guard let usage, status.isTerminal else {
            writer.null("usage")
            return
        }
        writer.object("usage") {
            $0.field("input_tokens", usage.inputTokens)
            $0.object("input_tokens_details") {
                $0.field("cached_tokens", usage.cachedTokens)
                $0.field("cache_write_tokens", 0)
            }
            $0.field("output_tokens", usage.outputTokens)
            $0.object("output_tokens_details") { $0.field("reasoning_tokens", usage.reasoningTokens) }
            $0.field("total_tokens", usage.totalTokens)
        }
    }
}
