import Bytes
import JSON

/// Going on with a response after the process had ended.
extension Generation {
    /// Takes up again what it had said when the process ended.
    /// - Throws: ``JSON/JSONRecord/Malformed`` for an event that is not what we write: what it said would be missing.
    func replay(_ events: [LogEvent]) throws {
        // The record may be of a later moment than the first event: what it has counted is counted anew.
        deltaCount = 0
        for event in events {
            firstSequence = firstSequence ?? event.sequence
            sequenceNumber = event.responseSequence + 1
            switch event.type {
            case .responseInProgress: isAccepted = true
            case .step:
                let record = try JSONRecord(JSONValue.parse(event.payload, limits: .own), of: "event")
                take(try record.required("step", Step.init))
            case .outputItemAdded: items.append(try OutputItem(restoringFrom: event))
            case .outputItemDone:
                guard let item = items.first(where: { $0.index == event.outputIndex }) else { continue }
                let said = (try? JSONValue.parse(event.payload, limits: .own))?["item"]
                item.close(as: said?["status"]?.string.flatMap(Item.Status.init) ?? .completed)
                item.ending = .told
                item.provider = said.flatMap(ProviderData.init(ofItem:)) ?? item.provider
            case .outputTextDone, .refusalDone, .reasoningTextDone, .functionCallArgumentsDone, .customToolCallInputDone,
                .contentPartDone:
                // The end of a long answer is told piecewise.
                guard let item = items.first(where: { $0.index == event.outputIndex }) else { continue }
                item.ending = event.type == .contentPartDone || item.partType == nil ? .item : .part
            case _ where event.type.isDelta:
                deltaCount += 1
                outputByteCount += event.delta.count
                guard let item = items.first(where: { $0.index == event.outputIndex }) else {
                    throw JSONRecord.Malformed(record: "event", member: "output_index")
                }
                if event.type == .refusalDelta { item.becomeRefusal() }
                event.payload.withUnsafeBytes { item.contents.append(UnsafeRawBufferPointer(rebasing: $0[event.delta])) }
            default: break
            }
        }
        openItem = items.last { $0.closedAs == nil }
    }

    /// Goes on after the server was started again: the model is asked to go on with what it had said.
    func goOn(conversation: [Item]) {
        if hasSpentItsTokens {
            end(.incomplete(.maxOutputTokens))
            session.retire(self)
            return
        }
        if items.contains(where: { $0.closedAs == nil && $0.isFunctionCall }) {
            // Half of a tool's arguments can neither be taken back nor be continued.
            end(.incomplete(.serverRestarted))
            session.retire(self)
            return
        }
        if let openItem, !openItem.isMessage {
            close(openItem, as: .completed)
            self.openItem = nil
        }
        let said = items.map(\.item)
        ask(conversation + said, continuesLastMessage: continuesLastMessage && said.isEmpty || endsInText)
    }
}
