import JSON

/// Tool calls, steps of an agent, and data for the provider.
extension GenerationSink {
    /// The part of the output that ``provide(_:with:)`` gives data for.
    public enum ProvidedPart: Sendable {
        case reasoning, message
        case toolCall(Int)
    }

    /// Begins a tool call.
    /// - Parameter index: the upstream's number of the call, which its arguments refer to.
    public func toolCall(index: Int, callID: String, name: String) { openCall(index, .functionCall, callID, name) }

    /// Begins a call of a tool with plain-text input; the text follows through ``toolCallArguments(index:escaped:)``.
    public func customToolCall(index: Int, callID: String, name: String) { openCall(index, .customToolCall, callID, name) }

    private func openCall(_ index: Int, _ kind: OutputItemKind, _ callID: String, _ name: String) {
        guard isActive, index >= 0, !generation.draft.items.contains(where: { $0.toolIndex == index }) else { return }
        guard generation.draft.items.count(where: \.isFunctionCall) < generation.context.limits.maxToolCalls else {
            generation.stopForLength()
            return
        }
        _ = generation.open(kind, callID: callID.isEmpty ? Identifier.make("call_") : callID, name: name, toolIndex: index)
    }

    /// Appends a piece of a tool call's arguments.
    /// - Parameter escaped: as in ``textDelta(escaped:)``.
    public func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        guard isActive, index >= 0, !escaped.isEmpty,
            let item = generation.draft.items.last(where: { $0.toolIndex == index })
        else { return }
        emit(item.isCustomToolCall ? .customToolCallInputDelta : .functionCallArgumentsDelta, of: item, escaped)
    }

    /// Adds a complete tool call, from an agent that does not stream arguments.
    /// - Parameter arguments: escaped as in ``textDelta(escaped:)``.
    public func functionCall(callID: String, name: String, arguments: UnsafeRawBufferPointer) {
        let index = (generation.draft.items.map(\.toolIndex).max() ?? -1) + 1
        toolCall(index: index, callID: callID, name: name)
        toolCallArguments(index: index, escaped: arguments)
    }

    /// Reports the number of tool calls that never got a name, and are left out.
    public func noteUnnamedToolCalls(_ count: Int) {
        if isActive { generation.route.unnamedToolCallCount = count }
    }

    /// Attaches data that must be returned to the provider with the output.
    /// - Parameter part: the current reasoning or text, or the tool call with this index, which may still begin.
    public func provide(_ data: ProviderData, with part: ProvidedPart) {
        guard isActive, !data.members.isEmpty else { return }
        let item: OutputItem?
        switch part {
        case .reasoning: item = generation.item(.reasoning)
        case .message: item = generation.item(.message)
        case .toolCall(let index):
            item = generation.draft.items.last { $0.toolIndex == index }
            if item == nil, generation.draft.awaitedToolData.count < generation.context.limits.maxToolCalls {
                generation.draft.awaitedToolData[index] = data
            }
        }
        guard let item, item.closedAs == nil else { return }
        if item.provider == nil { item.provider = data } else { item.provider?.merge(data) }
        generation.countOutput(bytes: data.encoded.utf8.count)
    }

    /// Reports a step of the agent behind the model; see ``Generation/step(_:)``.
    @discardableResult
    public func step(_ step: Step) -> Bool { generation.step(step) }

    /// Whether another step, or an update of a known one, can be reported.
    public func hasRoom(forSteps ids: some Sequence<String>) -> Bool { generation.hasRoom(forSteps: ids) }
}
