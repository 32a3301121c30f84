/// Receives a model's output for a response piece by piece, and its end. One for each call of a model.
///
/// A final class, so that calls by its type are direct. After the end of the response or of the model's output, further calls
/// are ignored. Loop-confined: every call is made on the loop of the response's session, and completes synchronously.
public final class GenerationSink {
    let generation: Generation

    init(_ generation: Generation) { self.generation = generation }

    // MARK: The response

    /// The response's identifier.
    public var responseID: String { generation.id }
    /// The identifier of its session.
    public var sessionID: String { generation.sessionID }
    /// The principal that owns its session.
    public var owner: String { generation.owner }
    /// Whether output is still accepted.
    public var isActive: Bool { generation.isActive }
    /// The response's status.
    public var status: Generation.Status { generation.status }
    /// Token counts, once known.
    public var usage: Usage? { generation.usage }
    /// Number of deltas received, as an estimate of its tokens.
    public var deltaCount: Int { generation.deltaCount }
    /// Grows with any output.
    public var eventCount: Int { generation.eventCount }

    /// Runs the action once all output so far is committed; at once, if it already is.
    public func whenCommitted(_ action: @escaping () -> Void) { generation.log.whenCommitted(action) }

    // MARK: The request

    /// An upstream is about to be called.
    public func noteAttempt(at upstream: String) {
        guard isActive else { return }
        generation.route.upstream = upstream
        generation.route.attempts += 1
        generation.header.upstream = upstream
        // A response that resumes after a restart includes its earlier attempts.
        if generation.policy != .cancel, generation.firstSequence != nil { generation.store() }
    }

    /// The attempt failed.
    public func noteAttempt(failedBy fault: String, at upstream: String) {
        guard isActive else { return }
        generation.route.faults.append(ResponseRoute.Fault(upstream: upstream, fault: fault))
    }

    /// The upstream has accepted the request and will respond: `response.in_progress`. Until then it may still refuse.
    public func accepted() { generation.accept() }

    // MARK: Text

    /// Appends a piece of the response's text.
    /// - Parameter escaped: valid contents of a JSON string in UTF-8, without the quotes. Empty pieces are ignored.
    public func textDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.outputTextDelta, of: generation.item(.message), escaped)
    }

    /// Appends a piece of a refusal; `escaped` as in ``textDelta(escaped:)``.
    public func refusalDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.refusalDelta, of: generation.item(.refusal), escaped)
    }

    /// Appends a piece of the model's reasoning; `escaped` as in ``textDelta(escaped:)``.
    public func reasoningDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.reasoningTextDelta, of: generation.item(.reasoning), escaped)
    }

    /// Ends a piece of reasoning that was signed; further reasoning is another piece.
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

    /// Reports the upstream's own token counts.
    public func reportUsage(_ usage: Usage) {
        if isActive { generation.tally.usage = usage }
    }

    /// Reports the upstream's own finish reason.
    public func noteFinish(word: String) {
        if isActive { generation.route.finishWord = word }
    }

    /// The model has finished: ends the response.
    public func finish(_ reason: FinishReason) {
        if isActive { generation.modelEnded(reason) }
    }

    /// The model has finished and its call is over, but its output is still being played: the response continues until
    /// ``Generation/playbackEnded()``.
    public func finishUnheard(_ reason: FinishReason) {
        if isActive { generation.beginPlayback(reason) }
    }

    /// The upstream failed; the output so far stays.
    public func fail(_ error: GenerationError) {
        guard isActive else { return }
        generation.callEnded()
        generation.endAtOnce(.failed(error))
    }
}

extension Generation {
    /// Counts output other than text.
    func countOutput(bytes: Int) {
        draft.byteCount += bytes
        stopIfTooLong()
    }

    /// Stops a model that never ends, since all of its output is stored.
    @inline(__always)
    func stopIfTooLong() {
        if draft.byteCount > context.limits.maxOutputBytes { stopForLength() }
    }

    /// Ends the response at its maximum size.
    func stopForLength() {
        stop(.incomplete(.maxOutputTokens))
        context.queue?.generationEnded(self)
    }
}
