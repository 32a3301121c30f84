/// What a model tells a response: pieces of the answer as they come, and how it ends. One for each call of a model.
///
/// A final class, so that the calls on the token path are direct. Once the response has ended, or its model is done, nothing that is told
/// counts any more. Loop-confined: every call is made on the loop of the response's session, and ends before the loop goes on.
public final class GenerationSink {
    let generation: Generation

    init(_ generation: Generation) { self.generation = generation }

    // MARK: What it is for

    public var responseID: String { generation.id }
    public var sessionID: String { generation.sessionID }
    /// The principal whose session the response is in.
    public var owner: String { generation.owner }
    /// Whether what is told still counts.
    public var isActive: Bool { generation.isActive }
    public var status: Generation.Status { generation.status }
    public var usage: Usage? { generation.usage }
    /// Deltas received: our count of tokens.
    public var deltaCount: Int { generation.deltaCount }
    /// Changes when something of an answer has come.
    public var eventCount: Int { generation.eventCount }

    /// Runs the action when everything that was told is committed: at once, if it is.
    public func whenCommitted(_ action: @escaping () -> Void) { generation.log.whenCommitted(action) }

    // MARK: The request

    /// An upstream is asked.
    public func noteAttempt(at upstream: String) {
        guard isActive else { return }
        generation.route.upstream = upstream
        generation.route.attempts += 1
        generation.header.upstream = upstream
        // What goes on after a restart counts what was tried before it.
        if generation.policy != .cancel, generation.firstSequence != nil { generation.store() }
    }

    /// What came of it.
    public func noteAttempt(failedBy fault: String, at upstream: String) {
        guard isActive else { return }
        generation.route.faults.append(ResponseRoute.Fault(upstream: upstream, fault: fault))
    }

    /// The upstream has taken the request and will answer: `response.in_progress`. Until then a refusal may still come.
    public func accepted() { generation.accept() }

    // MARK: Text

    /// A piece of the answer's text.
    /// - Parameter escaped: valid contents of a JSON string in UTF-8, without the quotes. Empty pieces are passed over.
    public func textDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.outputTextDelta, of: generation.item(.message), escaped)
    }

    /// A piece of a refusal; `escaped` as in ``textDelta(escaped:)``.
    public func refusalDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.refusalDelta, of: generation.item(.refusal), escaped)
    }

    /// A piece of the model's reasoning; `escaped` as in ``textDelta(escaped:)``.
    public func reasoningDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.reasoningTextDelta, of: generation.item(.reasoning), escaped)
    }

    /// The reasoning is signed, and what is thought from now on is another piece of it.
    public func endReasoning() {
        guard isActive, let openItem = generation.draft.openItem, openItem.kind == .reasoning else { return }
        generation.closeOpenItem()
    }

    @inline(__always)
    func emit(_ kind: EventKind, of item: OutputItem, _ escaped: UnsafeRawBufferPointer) {
        generation.tally.deltaCount += 1
        generation.emitDelta(kind, of: item, escaped: escaped)
        generation.stopIfTooLong()
    }

    // MARK: The end

    /// The upstream's own count.
    public func reportUsage(_ usage: Usage) {
        if isActive { generation.tally.usage = usage }
    }

    /// The upstream's own word for the end.
    public func noteFinish(word: String) {
        if isActive { generation.route.finishWord = word }
    }

    /// The model came to its end, and the response ends.
    public func finish(_ reason: FinishReason) {
        if isActive { generation.modelEnded(reason) }
    }

    /// The model came to its end and its call is over, and what it said is still on its way to the ear: the response goes on until
    /// ``Generation/playbackEnded()``.
    public func finishUnheard(_ reason: FinishReason) {
        if isActive { generation.beginPlayback(reason) }
    }

    /// The upstream failed; what it said so far stays.
    public func fail(_ error: GenerationError) {
        guard isActive else { return }
        generation.callEnded()
        generation.endAtOnce(.failed(error))
    }
}

extension Generation {
    /// Counts what is told beside the text.
    func countOutput(bytes: Int) {
        draft.byteCount += bytes
        stopIfTooLong()
    }

    /// A model that never ends is stopped, since all that it says is stored.
    @inline(__always)
    func stopIfTooLong() {
        if draft.byteCount > context.limits.maxOutputBytes { stopForLength() }
    }

    /// It has said as much as it may.
    func stopForLength() {
        stop(.incomplete(.maxOutputTokens))
        context.queue?.generationEnded(self)
    }
}
