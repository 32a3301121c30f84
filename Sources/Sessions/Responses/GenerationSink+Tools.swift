import JSON

/// Calls of tools, steps of an agent, and what the provider must get back with what is said.
extension GenerationSink {
    /// What ``provide(_:with:)`` gives data for.
    public enum ProvidedPart: Sendable {
        case reasoning, message
        case toolCall(Int)
    }

    /// A tool call begins.
    /// - Parameter index: the upstream's number of the call, which its pieces of arguments bear.
    public func toolCall(index: Int, callID: String, name: String) { openCall(index, .functionCall, callID, name) }

    /// A call of a tool that takes free text begins; its text comes by ``toolCallArguments(index:escaped:)``.
    public func customToolCall(index: Int, callID: String, name: String) { openCall(index, .customToolCall, callID, name) }

    private func openCall(_ index: Int, _ kind: OutputItemKind, _ callID: String, _ name: String) {
        guard isActive, index >= 0, !generation.draft.items.contains(where: { $0.toolIndex == index }) else { return }
        guard generation.draft.items.count(where: \.isFunctionCall) < generation.context.limits.maxToolCalls else {
            generation.stopForLength()
            return
        }
        _ = generation.open(kind, callID: callID.isEmpty ? Identifier.make("call_") : callID, name: name, toolIndex: index)
    }

    /// A piece of a tool call's arguments.
    /// - Parameter escaped: as in ``textDelta(escaped:)``.
    public func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        guard isActive, index >= 0, !escaped.isEmpty,
            let item = generation.draft.items.last(where: { $0.toolIndex == index })
        else { return }
        emit(item.isCustomToolCall ? .customToolCallInputDelta : .functionCallArgumentsDelta, of: item, escaped)
    }

    /// A whole call of a tool, from an agent that does not stream its arguments.
    /// - Parameter arguments: escaped as in ``textDelta(escaped:)``.
    public func functionCall(callID: String, name: String, arguments: UnsafeRawBufferPointer) {
        let index = (generation.draft.items.map(\.toolIndex).max() ?? -1) + 1
        toolCall(index: index, callID: callID, name: name)
        toolCallArguments(index: index, escaped: arguments)
    }

    /// So many calls of tools never got a name, and are left out.
    public func noteUnnamedToolCalls(_ count: Int) {
        if isActive { generation.route.unnamedToolCallCount = count }
    }

    /// What the provider must get back with what is said.
    /// - Parameter part: the reasoning or the text that is being written, or the tool call with that index, also one that comes yet.
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

    /// The agent behind the model tells of a step; see ``Generation/step(_:)``.
    @discardableResult
    public func step(_ step: Step) -> Bool { generation.step(step) }

    /// Whether another step, or a new word on a known one, can be told.
    public func hasRoom(forSteps ids: some Sequence<String>) -> Bool { generation.hasRoom(forSteps: ids) }
}
