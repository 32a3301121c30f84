import Bytes
import JSON

/// Restores a response after the end of the process.
extension Generation {
    /// Restores the output that the response had when the process ended.
    /// - Throws: ``JSON/JSONRecord/Malformed`` for an invalid event, whose output would be missing.
    func replay(_ events: [SessionEvent]) throws {
        // The record may be newer than the first event: its count is redone.
        tally.deltaCount = 0
        var replayed = ReplayedItems(header, phase.conclusion)
        for event in events {
            try replayed.take(event)
            progress.firstSequence = progress.firstSequence ?? event.position
            progress.eventCount = event.responseSequence + 1
            switch event.kind {
            case .responseInProgress: if case .asked = phase { phase = .answering }
            case .step:
                take(try event.withJSON { try Step(JSONValue.parse($0, limits: .own)) })
            case _ where event.kind.isDelta:
                tally.deltaCount += 1
                draft.byteCount += event.withText { text, _ in text.count }
            default: break
            }
        }
        draft.items = replayed.items
        draft.openItem = replayed.items.last { $0.closedAs == nil }
    }

    /// Resumes after a restart: the model is asked to continue its output.
    func goOn(reading conversation: [Item]) {
        if hasSpentItsTokens { return endUnasked(.incomplete(.maxOutputTokens)) }
        if draft.items.contains(where: { $0.closedAs == nil && $0.isFunctionCall }) {
            // Incomplete tool arguments can be neither withdrawn nor continued.
            return endUnasked(.incomplete(.serverRestarted))
        }
        if let openItem = draft.openItem, !openItem.isMessage { closeOpenItem() }
        let said = draft.items.map(\.item)
        ask(conversation + said, continuesLastMessage: request.continuesLastMessage && said.isEmpty || draft.endsInText)
    }

    private func endUnasked(_ final: Status) {
        end(final)
        context.queue?.retire(self)
    }
}

/// The output items of an unfinished response, reconstructed from its events.
struct ReplayedItems {
    private let header: ResponseHeader
    private let conclusion: Generation.Conclusion?
    private(set) var items: [OutputItem] = []

    /// - Parameter conclusion: how the response was ending, if it was.
    init(_ header: ResponseHeader, _ conclusion: Generation.Conclusion?) {
        self.header = header
        self.conclusion = conclusion
    }

    /// Applies the next event of the response.
    /// - Throws: ``JSON/JSONRecord/Malformed`` for a piece of an item that was not announced, whose output would be missing.
    mutating func take(_ event: SessionEvent) throws {
        switch event.kind {
        case .outputItemAdded:
            let item = OutputItem(restoringFrom: event)
            items.append(item)
            if header.item(at: item.index) == nil { header.add(item.head) }
        case .outputItemDone:
            guard let item = item(of: event) else { return }
            let told = event.closing
            item.close(as: told.status)
            item.ending = .told
            item.provider = told.provider.flatMap(ProviderData.init(encoded:)) ?? item.provider
            item.interruption = told.interruption
            item.settle()
        case .outputTextDone, .refusalDone, .reasoningTextDone, .functionCallArgumentsDone, .customToolCallInputDone,
            .contentPartDone:
            // The end of a long response is written in several iterations.
            guard let item = item(of: event) else { return }
            item.ending = event.kind == .contentPartDone || !item.hasParts ? .item : .part
            guard item.closedAs == nil, case .telling(let final)? = conclusion else { return }
            item.close(as: final == .completed ? .completed : .incomplete, header.parameters)
            item.settle()
        case _ where event.kind.isDelta:
            guard let item = item(of: event) else { throw JSONRecord.Malformed(record: "event", member: "output_index") }
            event.withText { text, _ in item.append(text) }
        default: break
        }
    }

    private func item(of event: SessionEvent) -> OutputItem? { items.first { $0.index == event.outputIndex } }
}

extension ResponseHeader {
    /// Reconstructs the items of an unfinished response, so that its events can be encoded.
    /// - Parameters:
    ///   - events: all of its events so far, on pages resolved with this header.
    ///   - record: the stored response.
    /// - Throws: ``JSON/JSONRecord/Malformed`` for an invalid event.
    public func restoreItems(from events: [SessionEvent], of record: GenerationRecord) throws {
        var replayed = ReplayedItems(self, record.conclusion)
        for event in events { try replayed.take(event) }
    }
}
