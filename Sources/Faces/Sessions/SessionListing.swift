import API
import Bytes
import JSON
import Network
import SessionHosting
import Sessions
import Storage

/// A page of the caller's sessions, newest first: those in memory, from their loops, and those in the store only.
final class SessionListing {
    private let call: Call
    private let limit: Int
    private let after: String?
    /// Sessions with their ordinals, newest first; one more than the page has.
    private var entries: [(ordinal: Int, id: String, json: [UInt8])] = []
    private var missing = 0

    init(_ call: Call, limit: Int, after: String?) {
        self.call = call
        self.limit = limit
        self.after = after
    }

    func start() {
        guard let after else {
            gather(before: nil)
            return
        }
        if let reference = call.services.sessions.resident(after), reference.owner == call.owner {
            gather(before: reference.ordinal)
        } else if let store = call.services.store {
            let bound = LoopBound(self, on: call.loop)
            store.ordinal(ofSession: after, owner: call.owner) { result in
                bound.loop.execute { bound.value.after(result) }
            }
        } else {
            gather(before: nil)
        }
    }

    private func after(_ result: Result<Int?, StorageError>) {
        switch result {
        case .success(let ordinal): gather(before: ordinal)
        case .failure(let error): call.fail(APIError(error))
        }
    }

    private func gather(before ordinal: Int?) {
        guard let store = call.services.store else {
            gather(before: ordinal, stored: [])
            return
        }
        let bound = LoopBound(self, on: call.loop)
        store.sessions(owner: call.owner, before: ordinal, limit: limit + 1) { result in
            bound.loop.execute {
                switch result {
                case .success(let stored): bound.value.gather(before: ordinal, stored: stored)
                case .failure(let error): bound.value.call.fail(APIError(error))
                }
            }
        }
    }

    private func gather(before ordinal: Int?, stored: [Store.SessionSummary]) {
        let residents = call.services.sessions.residents(owner: call.owner).filter { $0.ordinal < ordinal ?? .max }.prefix(
            limit + 1)
        let residentIDs = Set(residents.map(\.id))
        for summary in stored where !residentIDs.contains(summary.record.id) {
            entries.append((summary.ordinal, summary.record.id, Self.json(summary)))
        }
        missing = residents.count
        if residents.isEmpty { answer() }
        for reference in residents {
            call.perform(.readSummary, on: reference) { (outcome) throws(SessionError) in
                // A session deleted meanwhile is left out.
                if outcome != .refused(.sessionClosed) {
                    self.entries.append((reference.ordinal, reference.id, Self.json(try outcome.summary())))
                }
                self.missing -= 1
                if self.missing == 0 { self.answer() }
            }
        }
    }

    private static func json(_ summary: SessionSummary) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { summary.write(to: &$0) }
        return buffer.array
    }

    private static func json(_ summary: Store.SessionSummary) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { object in
            summary.record.write(isGenerating: false, to: &object)
            object.field("last_sequence_number", summary.lastPosition.sequence)
            object.field(epochOf: summary.lastPosition)
        }
        return buffer.array
    }

    private func answer() {
        entries.sort { $0.ordinal > $1.ordinal }
        let page = entries.prefix(limit)
        call.respond { list in
            list.field("object", "list")
            list.array("data") { data in
                for entry in page { entry.json.withUnsafeBytes { data.element(json: $0) } }
            }
            list.field("first_id", page.first?.id)
            list.field("last_id", page.last?.id)
            list.field("has_more", entries.count > page.count)
        }
    }
}
