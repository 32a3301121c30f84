import JSON

/// What the upstream tells: pieces of the answer as they come, and how it ends. Once the response has ended, nothing of it counts.
extension Generation {
    /// Whether it still takes what the model says.
    public var isActive: Bool { status == .inProgress && !isStopping && conclusion == nil }

    /// The upstream has taken the request and will answer: `response.in_progress`. Until then a refusal may still come.
    public func accepted() {
        guard isActive, !isAccepted else { return }
        isAccepted = true
        emitBeginning(.responseInProgress)
    }

    /// A piece of the answer's text.
    /// - Parameter escaped: valid contents of a JSON string in UTF-8, without the quotes. Empty pieces are passed over.
    public func textDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.outputTextDelta, of: item(.message), escaped)
    }

    /// A piece of a refusal; `escaped` as in ``textDelta(escaped:)``.
    public func refusalDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.refusalDelta, of: item(.refusal), escaped)
    }

    /// A piece of the model's reasoning; `escaped` as in ``textDelta(escaped:)``.
    public func reasoningDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.reasoningTextDelta, of: item(.reasoning), escaped)
    }

    /// A tool call begins.
    /// - Parameter index: the upstream's number of the call, which its pieces of arguments bear.
    public func toolCall(index: Int, callID: String, name: String) {
        openCall(index, .functionCall, callID, name)
    }

    /// A call of a tool that takes free text begins; its text comes by ``toolCallArguments(index:escaped:)``.
    public func customToolCall(index: Int, callID: String, name: String) {
        openCall(index, .customToolCall, callID, name)
    }

    private func openCall(_ index: Int, _ kind: OutputItemKind, _ callID: String, _ name: String) {
        guard isActive, index >= 0, !items.contains(where: { $0.toolIndex == index }) else { return }
        guard items.count(where: \.isFunctionCall) < session.limits.maxToolCalls else {
            stop(.incomplete(.maxOutputTokens))
            session.generationEnded(self)
            return
        }
        _ = open(kind, callID: callID.isEmpty ? Identifier.make("call_") : callID, name: name, toolIndex: index)
    }

    /// What the provider must get back with what is said.
    /// - Parameter part: the reasoning or the text that is being written, or the tool call with that index, also one that comes yet.
    public func provide(_ data: ProviderData, with part: ProvidedPart) {
        guard isActive, !data.members.isEmpty else { return }
        let item: OutputItem?
        switch part {
        case .reasoning:
            item = self.item(.reasoning)
        case .message: item = self.item(.message)
        case .toolCall(let index):
            item = items.last { $0.toolIndex == index }
            if item == nil, awaitedToolData.count < session.limits.maxToolCalls { awaitedToolData[index] = data }
        }
        guard let item, item.closedAs == nil else { return }
        if item.provider == nil { item.provider = data } else { item.provider?.merge(data) }
        countOutput(bytes: data.encoded.utf8.count)
    }

    /// The reasoning is signed, and what is thought from now on is another piece of it.
    public func endReasoning() {
        guard isActive, let openItem, openItem.kind == .reasoning else { return }
        close(openItem, as: .completed)
        self.openItem = nil
    }

    /// What ``provide(_:with:)`` gives data for.
    public enum ProvidedPart: Sendable {
        case reasoning, message
        case toolCall(Int)
    }

    /// A piece of a tool call's arguments; `escaped` as in ``textDelta(escaped:)``.
    public func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        guard isActive, index >= 0, !escaped.isEmpty, let item = items.last(where: { $0.toolIndex == index }) else { return }
        emit(item.isCustomToolCall ? .customToolCallInputDelta : .functionCallArgumentsDelta, of: item, escaped)
    }

    private func emit(_ kind: EventKind, of item: OutputItem, _ escaped: UnsafeRawBufferPointer) {
        deltaCount += 1
        emitDelta(kind, of: item, escaped: escaped)
        stopIfTooLong()
    }

    /// Counts what is told beside the text.
    func countOutput(bytes: Int) {
        outputByteCount += bytes
        stopIfTooLong()
    }

    /// A model that never ends is stopped, since all that it says is kept.
    private func stopIfTooLong() {
        if outputByteCount > session.limits.maxOutputBytes {
            stop(.incomplete(.maxOutputTokens))
            session.generationEnded(self)
        }
    }

    /// The upstream's own count.
    public func reportUsage(_ usage: Usage) {
        if isActive { self.usage = usage }
    }

    /// The model came to its end.
    public func finish(_ reason: FinishReason) {
        guard isActive else { return }
        accepted()
        call = nil
        switch reason {
        case .stop, .toolCalls:
            judge()
            return
        case .length: endPiecewise(.incomplete(.maxOutputTokens))
        case .contentFilter: endPiecewise(.incomplete(.contentFilter))
        }
    }

    /// The upstream failed; what it said so far is kept.
    public func fail(_ error: GenerationError) {
        guard isActive else { return }
        call = nil
        end(.failed(error))
        session.generationEnded(self)
    }
}
