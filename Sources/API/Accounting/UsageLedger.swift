import Bytes
import JSON
import Sessions
package import Storage
import Synchronization

/// Usage of each key, by model and hour. In the store if there is one, otherwise in memory.
package final class UsageLedger: Sendable {
    /// Maximum number of rows in memory; the earliest hours are dropped first.
    static let maxRows = 20_000
    static let hourSeconds = 3600

    /// Maximum number of models counted for a key in an hour; further ones count as ``otherModel``.
    static let maxModels = 100
    static let otherModel = "other"

    private let store: UsageStore?
    private let models = Mutex(Models())
    private let rows = Mutex<[UsageRow.Place: UsageRow.Counts]>([:])

    /// - Parameter store: nil to count in memory.
    package init(_ store: Store?) { self.store = store.map(UsageStore.init) }

    /// Counts an ended generation. The store commits it with the generation's last event, or in the next commit: an end that a
    /// client has seen is counted even if the process is killed.
    func add(_ generation: Generation, owner: String, keyID: String, unixTime: Int) {
        guard let counts = UsageRow.Counts(generation) else { return }
        let place = UsageRow.Place(
            // number-safe: rounding toward zero cannot overflow
            hour: unixTime / Self.hourSeconds * Self.hourSeconds, owner: owner, key: keyID,
            model: models.withLock { $0.name(generation.parameters.model, of: keyID, at: unixTime / Self.hourSeconds) })
        if let store {
            store.add(UsageRow(place: place, counts: counts))
            return
        }
        rows.withLock { rows in
            rows[place, default: UsageRow.Counts()] += counts
            if rows.count > Self.maxRows, let earliest = rows.keys.map(\.hour).min() {
                rows = rows.filter { $0.key.hour > earliest }
            }
        }
    }

    /// Rows of the hours from `start` up to, not including, `end`, in seconds since 1970.
    /// - Parameter owner: nil for all.
    package func rows(from start: Int, to end: Int, owner: String?) async throws(StorageError) -> [UsageRow] {
        if let store { return try await store.rows(from: start, to: end, owner: owner) }
        return rows.withLock { rows in
            rows.filter { $0.key.hour >= start && $0.key.hour < end && (owner == nil || $0.key.owner == owner) }
                .map { UsageRow(place: $0.key, counts: $0.value) }
        }
    }
}

/// The models that each key has used in this hour: invented model names must not become unlimited rows.
private struct Models {
    private var hour = 0
    private var byKey: [String: Set<String>] = [:]

    mutating func name(_ model: String, of key: String, at hour: Int) -> String {
        if hour != self.hour {
            self.hour = hour
            byKey.removeAll()
        }
        var known = byKey[key] ?? []
        if known.contains(model) { return model }
        guard known.count < UsageLedger.maxModels else { return UsageLedger.otherModel }
        known.insert(model)
        byKey[key] = known
        return model
    }
}

extension UsageRow.Counts {
    /// Nil for a generation that never reached an upstream, or was refused by it before any output.
    init?(_ generation: Generation) {
        guard let usage = generation.usage else { return nil }
        if case .failed = generation.status, usage.isEstimated, usage.outputTokens == 0 { return nil }
        self.init()
        requests = 1
        inputTokens = usage.inputTokens
        outputTokens = usage.outputTokens
        cachedTokens = usage.cachedTokens
        reasoningTokens = usage.reasoningTokens
        estimatedRequests = usage.isEstimated ? 1 : 0
        switch generation.status {
        case .cancelled, .incomplete(.interrupted), .incomplete(.steered):
            cutGenerations = 1
            cutOutputTokens = usage.outputTokens
            if let most = generation.parameters.members["max_output_tokens"]?.int {
                savedTokensEstimated = max(0, most.saturatingSubtracting(usage.outputTokens))
            }
        default: break
        }
    }
}
